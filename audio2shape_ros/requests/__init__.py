"""Who asks for a shape: the trigger, services, action goals; and the worker that serves them."""
