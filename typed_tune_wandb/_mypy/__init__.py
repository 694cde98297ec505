"""What the mypy plugin knows: ``flow`` finds what certainly reaches Tune by a call, ``entry`` the mistakes in it."""
