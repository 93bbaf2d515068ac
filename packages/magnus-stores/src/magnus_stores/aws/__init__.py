"""What the back ends on AWS have in common."""
