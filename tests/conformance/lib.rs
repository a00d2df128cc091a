//! Nothing: this package exists for its tests, which never become part of another program.
