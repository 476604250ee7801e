"""A gateway on a Raspberry Pi: the installer and the files that it installs."""
