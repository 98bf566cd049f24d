#!/bin/sh
# keys.sh FOLDER ADDRESS NODE...: a certificate authority, and the certificates of a cluster whose API is at ADDRESS.
set -eu
folder=$1 address=$2; shift 2
mkdir -p "$folder"; cd "$folder"
new="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
openssl req -x509 $new -keyout ca.key -out ca.crt -subj /CN=ca -days 7 -addext keyUsage=critical,keyCertSign,cRLSign
certificate() { # NAME SUBJECT EXTENSION
  openssl req $new -keyout "$1.key" -out "$1.csr" -subj "$2"
  printf 'authorityKeyIdentifier=keyid\n%s\n' "$3" >"$1.ext"
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -out "$1.crt" -days 7 -extfile "$1.ext"
}
names="DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
certificate apiserver /CN=kube-apiserver "subjectAltName=$names,IP:127.0.0.1,IP:10.96.0.1,IP:$address"
certificate admin /O=system:masters/CN=admin extendedKeyUsage=clientAuth
certificate front-proxy /CN=front-proxy extendedKeyUsage=clientAuth
for node; do certificate "$node" "/O=system:nodes/CN=system:node:$node" extendedKeyUsage=clientAuth; done
openssl genrsa -out sa.key 2048
