"""Edge: `python -m services.cli`, the same as `smsgw`."""

from services.cli.entry import main

if __name__ == "__main__":
    main()
