"""Hudang: one file and one QR code for every rural household. Nothing is imported here."""
