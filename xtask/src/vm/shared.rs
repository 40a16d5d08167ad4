//! A program of this system with the shared libraries it loads, for a guest that has neither.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

use crate::shell;

/// The shared libraries that `program` loads, and the one that loads them.
pub fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    Ok(parse(&shell::output(Command::new("ldd").arg(program))?))
}

/// Reads what ldd says: `libc.so.6 => /lib/libc.so.6 (0x7f...)`, `/lib64/ld.so (0x7f...)`, and lines without a file.
fn parse(text: &str) -> Vec<PathBuf> {
    text.lines()
        .filter_map(|line| {
            let found = line.split_once("=>").map_or(line, |(_, found)| found);
            let path = found.split_whitespace().next()?;
            path.starts_with('/').then(|| PathBuf::from(path))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::parse;

    #[test]
    fn reads_every_file_that_ldd_names() {
        let text = "\
\tlinux-vdso.so.1 (0x00007ffd5d5f2000)
\tlibmnl.so.0 => /lib/x86_64-linux-gnu/libmnl.so.0 (0x00007f2d22c5f000)
\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f2d22a61000)
\t/lib64/ld-linux-x86-64.so.2 (0x00007f2d22de3000)
";
        assert_eq!(
            parse(text),
            [
                Path::new("/lib/x86_64-linux-gnu/libmnl.so.0"),
                Path::new("/lib/x86_64-linux-gnu/libc.so.6"),
                Path::new("/lib64/ld-linux-x86-64.so.2"),
            ]
        );
    }

    #[test]
    fn a_static_program_has_none() {
        assert!(parse("\tstatically linked\n").is_empty());
    }
}
