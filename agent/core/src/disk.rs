//! Disks and what is known of them.
