//! The guest's root file system: an initramfs, which the kernel unpacks into memory.
//!
//! It is an archive in cpio's "newc" form (the kernel's Documentation/driver-api/early-userspace/buffer-format.rst),
//! not compressed: qemu copies it in no time, and an emulated CPU would unpack it in seconds.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufWriter, Cursor, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use cpio::{NewcBuilder, newc::ModeFileType, write_cpio};

use crate::files;

/// What the guest will find, by its path there without the leading `/`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Image {
    // In this order every directory comes before what is in it, as the kernel demands.
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug, PartialEq, Eq)]
enum Entry {
    Directory,
    Program(Content),
}

#[derive(Debug, PartialEq, Eq)]
enum Content {
    Here(Vec<u8>),
    File(PathBuf),
}

impl Image {
    /// An empty directory.
    pub fn directory(&mut self, path: &str) {
        self.parents(path);
        self.entries.insert(path.to_owned(), Entry::Directory);
    }

    /// A file with this content; everybody may execute it.
    pub fn script(&mut self, path: &str, content: &str) {
        self.add(path, Content::Here(content.into()));
    }

    /// A file of this system; everybody may execute it.
    pub fn file(&mut self, path: &str, from: &Path) {
        self.add(path, Content::File(from.to_owned()));
    }

    /// Writes the archive.
    pub fn write(&self, to: &Path) -> Result<()> {
        let mut inputs = Vec::new();
        for (path, entry) in &self.entries {
            let (kind, content) = match entry {
                Entry::Directory => (ModeFileType::Directory, Vec::new()),
                Entry::Program(content) => (ModeFileType::Regular, content.read()?),
            };
            let builder = NewcBuilder::new(path).mode(0o755).set_mode_file_type(kind);
            inputs.push((builder, Cursor::new(content)));
        }
        files::make_parent(to)?;
        let file = File::create(to).with_context(|| format!("cannot write {}", to.display()))?;
        write_cpio(inputs.into_iter(), BufWriter::new(file))
            .and_then(|mut archive| archive.flush())
            .with_context(|| format!("cannot write {}", to.display()))
    }

    fn add(&mut self, path: &str, content: Content) {
        self.parents(path);
        self.entries
            .insert(path.to_owned(), Entry::Program(content));
    }

    fn parents(&mut self, path: &str) {
        for (slash, _) in path.match_indices('/') {
            self.entries
                .entry(path[..slash].to_owned())
                .or_insert(Entry::Directory);
        }
    }
}

impl Content {
    fn read(&self) -> Result<Vec<u8>> {
        match self {
            Self::Here(content) => Ok(content.clone()),
            Self::File(path) => {
                fs::read(path).with_context(|| format!("cannot read {}", path.display()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{env, io::Read as _, process};

    use super::*;

    fn example() -> Image {
        let mut image = Image::default();
        image.script("lib/x86/deep.sh", "#!/bin/sh\n");
        image.directory("proc");
        image.script("init", "first");
        image
    }

    #[test]
    fn directories_come_before_what_is_in_them() {
        let image = example();
        let paths: Vec<_> = image.entries.keys().collect();
        assert_eq!(paths, ["init", "lib", "lib/x86", "lib/x86/deep.sh", "proc"]);
        assert_eq!(image.entries["lib/x86"], Entry::Directory);
    }

    #[test]
    fn an_archive_holds_what_was_put_into_it() {
        let path = env::temp_dir().join(format!("xtask-image-{}.cpio", process::id()));
        example().write(&path).expect("a temporary directory");
        let mut archive = File::open(&path).expect("it was written");
        fs::remove_file(&path).expect("it was written");

        let mut found = Vec::new();
        loop {
            let mut reader = cpio::NewcReader::new(archive).expect("an archive");
            if reader.entry().is_trailer() {
                break;
            }
            let mut content = String::new();
            reader.read_to_string(&mut content).expect("text");
            let entry = reader.entry();
            found.push((entry.name().to_owned(), entry.mode(), content));
            archive = reader.finish().expect("the next entry");
        }
        let (directory, regular) = (0o040_755, 0o100_755);
        let expected = [
            ("init", regular, "first"),
            ("lib", directory, ""),
            ("lib/x86", directory, ""),
            ("lib/x86/deep.sh", regular, "#!/bin/sh\n"),
            ("proc", directory, ""),
        ];
        assert_eq!(
            found,
            expected.map(|(name, mode, content)| (name.to_owned(), mode, content.to_owned()))
        );
    }

    #[test]
    fn names_the_file_that_is_missing() {
        let mut image = Image::default();
        image.file("bin/lb", Path::new("/nowhere/lb"));
        let to = env::temp_dir().join(format!("xtask-no-image-{}.cpio", process::id()));
        let error = image.write(&to).expect_err("there is no such file");
        assert!(error.to_string().contains("/nowhere/lb"), "{error}");
        assert!(!to.exists());
    }
}
