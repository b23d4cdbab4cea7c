"""How a number is made: recipe -> model -> training -> one row of the ledger."""
