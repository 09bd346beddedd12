"""What gradients and signals do on their way through a network, in numbers."""
