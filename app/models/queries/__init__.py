"""Reading: Connection in, frozen records out; shared by laptop and county."""
