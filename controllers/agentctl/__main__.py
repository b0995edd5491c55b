"""``python -m controllers.agentctl``: the console script."""

from controllers.agentctl.cli import main

if __name__ == "__main__":
    main()
