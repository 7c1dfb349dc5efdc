//! Components have one thread. The tokenizer library carries a thread pool that is never asked to work here, but its
//! code names these two functions, which the standard library takes from libc; older wasi-libcs lack them.

use std::ffi::{c_int, c_void};

/// WASI's `ENOSYS`, which the standard library reports as `Unsupported`.
const ENOSYS: c_int = 52;

// SAFETY: these are the names and types under which libc declares them; neither touches its arguments, and no other
// definition is linked, since a library's member is only taken for a name that nobody has.
#[unsafe(no_mangle)]
extern "C" fn pthread_create(
    _thread: *mut c_void,
    _attributes: *const c_void,
    _start: Option<extern "C" fn(*mut c_void) -> *mut c_void>,
    _argument: *mut c_void,
) -> c_int {
    ENOSYS
}

#[unsafe(no_mangle)]
extern "C" fn pthread_detach(_thread: *mut c_void) -> c_int {
    ENOSYS
}
