"""Programs that the type checkers must pass, and programs that they must fail, each error on its line."""
