//! The errno numbers IPVS answers with, as netlink carries them.

use nix::errno::Errno;

pub(crate) const EPERM: i32 = Errno::EPERM as i32;
pub(crate) const ENOENT: i32 = Errno::ENOENT as i32;
pub(crate) const ESRCH: i32 = Errno::ESRCH as i32;
pub(crate) const ENOMEM: i32 = Errno::ENOMEM as i32;
pub(crate) const EACCES: i32 = Errno::EACCES as i32;
pub(crate) const EBUSY: i32 = Errno::EBUSY as i32;
pub(crate) const EEXIST: i32 = Errno::EEXIST as i32;
pub(crate) const ENODEV: i32 = Errno::ENODEV as i32;
pub(crate) const EINVAL: i32 = Errno::EINVAL as i32;
pub(crate) const ERANGE: i32 = Errno::ERANGE as i32;
#[cfg(feature = "fake")]
pub(crate) const EOPNOTSUPP: i32 = Errno::EOPNOTSUPP as i32;
pub(crate) const EAFNOSUPPORT: i32 = Errno::EAFNOSUPPORT as i32;
pub(crate) const ENOBUFS: i32 = Errno::ENOBUFS as i32;
