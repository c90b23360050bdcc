"""The contract of operators, `trunkline.admin`."""
