//! Version numbers as tools print them.

use std::fmt;

/// `major.minor.patch`; what follows (`-nightly`, `+dfsg1`, `-cloud-amd64`) is of no interest here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
}

impl Version {
    /// A version known when this program was written.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }

    /// Reads a version from the start of `text`. A Debian epoch (`1:`) is skipped, and a missing minor
    /// or patch number counts as 0.
    pub fn parse(text: &str) -> Option<Self> {
        let text = match text.split_once(':') {
            Some((epoch, rest)) if epoch.bytes().all(|b| b.is_ascii_digit()) => rest,
            _ => text,
        };
        let mut numbers = text.splitn(3, '.').map(leading_number);
        let major = numbers.next().flatten()?;
        let mut rest = || numbers.next().flatten().unwrap_or(0);
        Some(Self::new(major, rest(), rest()))
    }

    /// Reads the version that follows `marker`, as in `LLVM version: 22.1.4`.
    pub fn after(marker: &str, text: &str) -> Option<Self> {
        let (_, rest) = text.split_once(marker)?;
        Self::parse(rest.trim_start())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

fn leading_number(text: &str) -> Option<u32> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::Version;

    #[test]
    fn reads_what_tools_print() {
        let cases = [
            ("1.97.0-nightly (e50aa6fba 2026-05-19)", (1, 97, 0)),
            ("1.96.0+dfsg1-1~deb12u2", (1, 96, 0)),
            ("1:22.1.8-1~deb12u1", (22, 1, 8)),
            ("6.1.0-35-cloud-amd64", (6, 1, 0)),
            ("6.18.44-fc-v657", (6, 18, 44)),
            ("6.1-rc3", (6, 1, 0)),
            ("22", (22, 0, 0)),
        ];
        for (text, (major, minor, patch)) in cases {
            let expected = Some(Version::new(major, minor, patch));
            assert_eq!(Version::parse(text), expected, "{text}");
        }
    }

    #[test]
    fn reads_the_version_behind_a_marker() {
        let verbose = "release: 1.97.0-nightly\nLLVM version: 22.1.4\n";
        assert_eq!(
            Version::after("LLVM version:", verbose),
            Some(Version::new(22, 1, 4))
        );
        assert_eq!(
            Version::after("bpf-linker ", "bpf-linker 0.13.0\n"),
            Some(Version::new(0, 13, 0))
        );
    }

    #[test]
    fn refuses_what_is_no_version() {
        assert_eq!(Version::parse("(none)"), None);
        assert_eq!(Version::parse(""), None);
        assert_eq!(
            Version::after("LLVM version:", "LLVM version: unknown"),
            None
        );
    }

    #[test]
    fn orders_by_number_not_by_text() {
        assert!(Version::new(1, 100, 0) > Version::new(1, 95, 0));
        assert!(Version::new(0, 9, 15) < Version::new(0, 13, 0));
    }
}
