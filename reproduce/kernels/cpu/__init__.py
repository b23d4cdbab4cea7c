"""The local operators on a CPU: no unfolded copies, memory kept from call to call."""
