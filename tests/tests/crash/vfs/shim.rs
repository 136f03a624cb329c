//! The VFS: SQLite's C interface to files (<https://sqlite.org/vfs.html>), over the system's own VFS.
#![allow(unsafe_code, reason = "a VFS is made of C functions and structures; this is the only such file")]
#![allow(non_snake_case, reason = "the functions are called as SQLite calls them")]

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::OnceLock;
use std::{ptr, slice};

use rusqlite::ffi::{self, sqlite3_file, sqlite3_filename, sqlite3_int64, sqlite3_io_methods, sqlite3_vfs};

use super::disk::{Disk, Event, FileId, Step};

/// The system's VFS. SQLite never changes or frees it.
#[derive(Clone, Copy)]
struct System(*mut sqlite3_vfs);

// SAFETY: the structure is constant once SQLite is initialized, and its functions may be called from any thread.
unsafe impl Send for System {}
// SAFETY: as above.
unsafe impl Sync for System {}

static SYSTEM: OnceLock<System> = OnceLock::new();

/// Makes the shim the default VFS of this process, for all connections opened from now on.
pub(super) fn install() {
    SYSTEM.get_or_init(|| {
        // SAFETY: `sqlite3_vfs_find` initializes SQLite and answers the default VFS, which lives as long as the process.
        // The copy is leaked, so it does as well; its functions are those of the system's VFS or those below, which
        // keep SQLite's contract.
        unsafe {
            let system = ffi::sqlite3_vfs_find(ptr::null());
            assert!(!system.is_null(), "SQLite has a VFS on this system");
            let mut vfs = *system;
            vfs.pNext = ptr::null_mut();
            vfs.zName = c"sync-tests".as_ptr();
            vfs.szOsFile += c_int::try_from(size_of::<File>()).expect("it is small");
            vfs.xOpen = Some(open);
            vfs.xDelete = Some(delete);
            let registered = ffi::sqlite3_vfs_register(Box::into_raw(Box::new(vfs)), 1);
            assert_eq!(registered, ffi::SQLITE_OK, "the VFS is registered");
            System(system)
        }
    });
}

fn system() -> *mut sqlite3_vfs {
    SYSTEM.get().expect("the VFS was installed before it is called").0
}

/// What SQLite holds for a watched file; the system's own structure follows it in memory.
#[repr(C)]
struct File {
    base: sqlite3_file,
    watched: *mut Watched,
}

struct Watched {
    disk: Disk,
    file: FileId,
}

/// The system's part of a watched file.
///
/// # Safety
/// `file` was opened by [`open`] as a watched one: it points to `szOsFile` bytes, which begin with a [`File`].
unsafe fn inner(file: *mut sqlite3_file) -> *mut sqlite3_file {
    // SAFETY: the caller says so; `File` is a multiple of 8 bytes long, so what follows is aligned.
    unsafe { file.cast::<File>().add(1).cast() }
}

/// What is known of a watched file.
///
/// # Safety
/// As [`inner`]. SQLite uses a file from one thread at a time.
unsafe fn watched<'a>(file: *mut sqlite3_file) -> &'a Watched {
    // SAFETY: `open` put a live box there, which `xClose` frees.
    unsafe { &*(*file.cast::<File>()).watched }
}

/// The path in a C string of SQLite's.
///
/// # Safety
/// `name` is null or ends with a zero.
unsafe fn disk_of(name: *const c_char) -> Option<(Disk, String)> {
    if name.is_null() {
        return None;
    }
    // SAFETY: the caller says so.
    let bytes = unsafe { CStr::from_ptr(name) }.to_bytes();
    Disk::of(Path::new(OsStr::from_bytes(bytes)))
}

unsafe extern "C" fn open(
    _: *mut sqlite3_vfs,
    name: sqlite3_filename,
    file: *mut sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls this with a name that is null or ends with a zero, with `szOsFile` bytes at `file` that are
    // its to fill, and with `out_flags` null or writable. The system's function gets the very same name, since SQLite
    // keeps parameters behind it, and the bytes after `File`, of which there are as many as it asked for.
    unsafe {
        let open = (*system()).xOpen.expect("every VFS has it");
        let Some((disk, name_there)) = disk_of(name) else {
            return open(system(), name, file, flags, out_flags);
        };
        (*file).pMethods = ptr::null();
        let was_there = Path::new(OsStr::from_bytes(CStr::from_ptr(name).to_bytes())).exists();
        if !was_there
            && flags & ffi::SQLITE_OPEN_CREATE != 0
            && let Err(failure) = disk.attempt(Step::Make)
        {
            return failure;
        }
        let mut flags = flags;
        if disk.is_read_only() && flags & ffi::SQLITE_OPEN_READWRITE != 0 {
            flags &= !(ffi::SQLITE_OPEN_READWRITE | ffi::SQLITE_OPEN_CREATE);
            flags |= ffi::SQLITE_OPEN_READONLY;
        }
        let result = open(system(), name, inner(file), flags, out_flags);
        if result == ffi::SQLITE_OK {
            let watched = Watched { file: disk.opened(&name_there, was_there), disk };
            (*file.cast::<File>()).watched = Box::into_raw(Box::new(watched));
            (*file).pMethods = &raw const METHODS;
        }
        result
    }
}

unsafe extern "C" fn delete(_: *mut sqlite3_vfs, name: *const c_char, sync_folder: c_int) -> c_int {
    // SAFETY: SQLite calls this with a name that ends with a zero. Without a sync where the log takes note of it.
    unsafe {
        let delete = (*system()).xDelete.expect("every VFS has it");
        let Some((disk, name_there)) = disk_of(name) else { return delete(system(), name, sync_folder) };
        if let Err(failure) = disk.attempt(Step::Delete) {
            return failure;
        }
        let result = delete(system(), name, 0);
        if result == ffi::SQLITE_OK {
            disk.deleted(&name_there, sync_folder != 0);
        }
        result
    }
}

static METHODS: sqlite3_io_methods = sqlite3_io_methods {
    // Without `xFetch`: SQLite does not map files into memory then, past `xWrite`.
    iVersion: 2,
    xClose: Some(xClose),
    xRead: Some(xRead),
    xWrite: Some(xWrite),
    xTruncate: Some(xTruncate),
    xSync: Some(xSync),
    xFileSize: Some(xFileSize),
    xLock: Some(xLock),
    xUnlock: Some(xUnlock),
    xCheckReservedLock: Some(xCheckReservedLock),
    xFileControl: Some(xFileControl),
    xSectorSize: Some(xSectorSize),
    xDeviceCharacteristics: Some(xDeviceCharacteristics),
    xShmMap: Some(xShmMap),
    xShmLock: Some(xShmLock),
    xShmBarrier: Some(xShmBarrier),
    xShmUnmap: Some(xShmUnmap),
    xFetch: None,
    xUnfetch: None,
};

/// Calls the system's function.
macro_rules! system {
    ($method:ident($file:ident $(, $argument:expr)*)) => {{
        let inner = inner($file);
        (*(*inner).pMethods).$method.expect("the system's VFS has it")(inner $(, $argument)*)
    }};
}

/// Functions that only call the system's.
macro_rules! forward {
    ($($method:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*) => {$(
        unsafe extern "C" fn $method(file: *mut sqlite3_file $(, $argument: $type)*) $(-> $result)? {
            // SAFETY: SQLite calls this for files of `open`, and the arguments are the system's to judge.
            unsafe { system!($method(file $(, $argument)*)) }
        }
    )*};
}

forward! {
    xRead(buffer: *mut c_void, amount: c_int, offset: sqlite3_int64) -> c_int;
    xFileSize(size: *mut sqlite3_int64) -> c_int;
    xLock(level: c_int) -> c_int;
    xUnlock(level: c_int) -> c_int;
    xCheckReservedLock(answer: *mut c_int) -> c_int;
    xFileControl(operation: c_int, argument: *mut c_void) -> c_int;
    xSectorSize() -> c_int;
    xDeviceCharacteristics() -> c_int;
    xShmMap(page: c_int, size: c_int, extend: c_int, map: *mut *mut c_void) -> c_int;
    xShmLock(offset: c_int, number: c_int, flags: c_int) -> c_int;
    xShmBarrier();
    xShmUnmap(delete: c_int) -> c_int;
}

unsafe extern "C" fn xClose(file: *mut sqlite3_file) -> c_int {
    // SAFETY: SQLite closes a file once, and does not use it afterwards.
    unsafe {
        let result = system!(xClose(file));
        drop(Box::from_raw((*file.cast::<File>()).watched));
        result
    }
}

unsafe extern "C" fn xWrite(
    file: *mut sqlite3_file,
    buffer: *const c_void,
    amount: c_int,
    offset: sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite passes `amount` readable bytes, and files of `open`.
    unsafe {
        let Watched { disk, file: id } = watched(file);
        let bytes = slice::from_raw_parts(buffer.cast::<u8>(), amount.cast_unsigned() as usize);
        let offset_there = usize::try_from(offset).expect("files have no negative places");
        let (amount, failure) = match disk.attempt(Step::Write) {
            Ok(()) => (amount, None),
            // A disk gives up in the middle.
            Err(failure) => (amount / 2, Some(failure)),
        };
        let result = system!(xWrite(file, buffer, amount, offset));
        if result == ffi::SQLITE_OK {
            let bytes = &bytes[..amount.cast_unsigned() as usize];
            disk.log(|| Event::Written { file: *id, offset: offset_there, bytes: bytes.to_vec() });
        }
        failure.unwrap_or(result)
    }
}

unsafe extern "C" fn xTruncate(file: *mut sqlite3_file, size: sqlite3_int64) -> c_int {
    // SAFETY: SQLite calls this for files of `open`.
    unsafe {
        let Watched { disk, file: id } = watched(file);
        if let Err(failure) = disk.attempt(Step::Resize) {
            return failure;
        }
        let result = system!(xTruncate(file, size));
        if result == ffi::SQLITE_OK {
            let length = usize::try_from(size).expect("no length is negative");
            disk.log(|| Event::Resized { file: *id, length });
        }
        result
    }
}

unsafe extern "C" fn xSync(file: *mut sqlite3_file, _: c_int) -> c_int {
    // SAFETY: SQLite calls this for files of `open`. The real disk is not waited for: what counts is the log.
    unsafe {
        let Watched { disk, file: id } = watched(file);
        match disk.attempt(Step::Sync) {
            Ok(()) => {
                disk.log(|| Event::Synced { file: *id });
                ffi::SQLITE_OK
            }
            Err(failure) => failure,
        }
    }
}
