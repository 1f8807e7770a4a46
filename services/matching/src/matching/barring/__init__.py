"""Do-not-match lists: whom a party never wants to be matched with. Private to the party."""
