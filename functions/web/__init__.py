"""HTTP as every function speaks it: problem answers, the batch protocol, the key in a request."""
