"""`python -m quanci_train`."""

from quanci_train import main

main()
