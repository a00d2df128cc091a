//! Lets crates that look for `getrandom` by its name while the program runs find that of the package `chance`.

fn main() {
    println!("cargo::rustc-link-arg-bins=-Wl,--export-dynamic-symbol=getrandom");
    println!("cargo::rerun-if-changed=build.rs");
}
