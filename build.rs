//! Names the shared library by its ABI number and keeps it mapped.

use std::env;

/// Number of the binary interface: raised when a released function, structure or enumeration changes its meaning.
/// It is 0 until the first stable release.
const ABI: u32 = 0;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-env=AET_ABI_VERSION={ABI}");
    match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("linux") => {
            println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libaet.so.{ABI}");
            // Worker threads may outlive dlclose: the code must stay where it is.
            println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
        }
        Ok("macos") => println!("cargo:rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libaet.{ABI}.dylib"),
        _ => {}
    }
}
