"""`rotor sandbox`"""
