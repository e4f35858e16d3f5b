"""From raw data to labelled results."""
