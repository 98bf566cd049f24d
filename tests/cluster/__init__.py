"""Pure: `make test-k8s`: the manifests of k8s/ on a real cluster, under load."""
