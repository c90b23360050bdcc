"""How much principals may use: limits, reservations, leases, stores."""
