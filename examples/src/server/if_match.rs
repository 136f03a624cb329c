//! The precondition of a write: `If-Match` (RFC 9110, section 13.1.1).

/// Which versions a client is willing to change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum IfMatch {
    /// `*`: whatever is there, as long as something is.
    Any,
    /// One of these.
    Versions(Vec<i64>),
}

impl IfMatch {
    /// Reads the header; `None` when it is no list of entity tags.
    ///
    /// A weak tag, or one that this server never gave, is read and matches nothing, as the RFC asks for.
    pub(super) fn parse(header: &str) -> Option<Self> {
        let header = header.trim();
        if header == "*" {
            return Some(Self::Any);
        }
        let mut versions = Vec::new();
        for tag in header.split(',').map(str::trim) {
            let strong = tag.strip_prefix("W/").is_none();
            let opaque = tag.trim_start_matches("W/").strip_prefix('"')?.strip_suffix('"')?;
            if let (true, Ok(version)) = (strong, opaque.parse()) {
                versions.push(version);
            }
        }
        Some(Self::Versions(versions))
    }

    /// Whether it lets a write through to this version, of a record or of a tombstone.
    pub(super) fn allows(&self, version: i64, is_tombstone: bool) -> bool {
        match self {
            Self::Any => !is_tombstone,
            Self::Versions(versions) => versions.contains(&version),
        }
    }
}
