"""What people and the clock do to the platform. The API and the command line are two faces of these functions."""
