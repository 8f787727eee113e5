"""The walls between the packages, and the contract in its written form."""
