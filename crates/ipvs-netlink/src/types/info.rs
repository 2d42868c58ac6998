use std::fmt;

/// What the kernel says about its IPVS (`IPVS_CMD_GET_INFO`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Info {
    /// Version code, one byte per part: `0x010201` is 1.2.1.
    pub version: u32,
    /// Number of buckets in the connection hash table.
    pub connection_table_size: u32,
}

impl Info {
    /// The three parts of the version, `(1, 2, 1)` for every kernel of the last ten years.
    #[must_use]
    pub const fn version_parts(self) -> (u8, u8, u8) {
        let [_, major, minor, patch] = self.version.to_be_bytes();
        (major, minor, patch)
    }
}

impl fmt::Display for Info {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (major, minor, patch) = self.version_parts();
        let size = self.connection_table_size;
        write!(
            f,
            "IP Virtual Server version {major}.{minor}.{patch} (size={size})"
        )
    }
}
