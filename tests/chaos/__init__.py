"""`make chaos`: the whole gateway under load while its parts die, sleep, lose their links, clocks and disks."""
