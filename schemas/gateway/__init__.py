"""Pure: gateway.yaml as models, one file a part: `file.py` is the whole."""
