"""What the Pulumi engine runs."""

from program import main

main()
