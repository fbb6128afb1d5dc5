"""Resource estimates from synthesis tools."""
