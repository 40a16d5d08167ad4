//! What is in the guest: busybox, a few programs of this system, the kernel's modules, lb, and the guest's program.

use std::{ffi::OsString, fs, path::Path};

use anyhow::{Context as _, Result, bail};

use super::{Image, Kernel, modules::Modules, shared};
use crate::{layout, shell};

/// The guest's first process.
const INIT: &str = include_str!("init.sh");

/// Kernel modules the guest inserts: what the lab's networks are made of, and what lb is measured against.
const MODULES: &[&str] = &[
    "veth",
    "bridge",
    "8021q",
    "bonding",
    "ipip",
    "sit",
    "ip6_tunnel",
    "fou",
    "fou6",
    "virtio_pci",
    "virtio_net",
    "nf_tables",
    "nf_conntrack",
    "ip_vs",
    "ip_vs_rr",
    "pktgen",
];

/// Programs that the lab calls and busybox does not have, or not as the lab needs them: its `nsenter` runs its own `ip`
/// rather than the one in the path.
const PROGRAMS: &[&str] = &["ip", "ethtool", "nsenter"];

/// Where busybox finds what is mounted, and programs what they write.
const DIRECTORIES: &[&str] = &["proc", "sys", "dev", "run", "tmp", "bin"];

/// The root file system for a kernel.
pub fn image(kernel: &Kernel, busybox: &Path) -> Result<Image> {
    let mut image = Image::default();
    for directory in DIRECTORIES {
        image.directory(directory);
    }
    image.script("init", INIT);
    image.file("sbin/busybox", busybox);
    for program in ["lb", "lb-guest"] {
        image.file(
            &format!("usr/bin/{program}"),
            &layout::guest_binary(program),
        );
    }
    for program in PROGRAMS {
        let from = shell::find(program).with_context(|| format!("no program {program}"))?;
        image.file(&format!("usr/bin/{program}"), &from);
        for library in shared::libraries(&from)? {
            let path = library.to_str().context("a library's path is text")?;
            image.file(path.trim_start_matches('/'), &library);
        }
    }
    add_modules(&mut image, kernel)?;
    Ok(image)
}

/// The words that the guest's program is given, as one that the kernel's command line can carry.
pub fn arguments(words: &[OsString]) -> Result<String> {
    let is_plain = |word: &&str| {
        !word.is_empty()
            && word
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.,:/+".contains(&byte))
    };
    let mut line = Vec::new();
    for word in words {
        match word.to_str().filter(is_plain) {
            Some(word) => line.push(word),
            None => bail!(
                "{} cannot be handed on to the guest: letters, digits and -_.,:/+ can",
                word.display()
            ),
        }
    }
    Ok(line.join(" "))
}

/// Adds the modules' files, the order in which the guest inserts them, and where modprobe looks for them.
fn add_modules(image: &mut Image, kernel: &Kernel) -> Result<()> {
    let read = |name: &str| {
        let path = kernel.modules.join(name);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    };
    let dependencies = read("modules.dep")?;
    let modules = Modules::parse(&dependencies, &read("modules.builtin")?)?;
    let directory = format!("lib/modules/{}", kernel.release);
    let mut order = String::new();
    for file in modules
        .files(MODULES)
        .with_context(|| format!("Linux {}", kernel.release))?
    {
        let path = format!("{directory}/{file}");
        image.file(&path, &kernel.modules.join(&file));
        order += &format!("/{path}\n");
    }
    image.script("lib/modules/order", &order);
    image.script(&format!("{directory}/modules.dep"), &dependencies);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::arguments;

    #[test]
    fn plain_words_are_handed_on() {
        let words = ["two-arm", "--verbose"].map(Into::into);
        assert_eq!(arguments(&words).expect("plain"), "two-arm --verbose");
        assert_eq!(arguments(&[]).expect("plain"), "");
    }

    #[test]
    fn refuses_what_a_command_line_would_split_or_quote() {
        for word in ["two words", "\"", "a=b", ""] {
            assert!(arguments(&[word.into()]).is_err(), "{word}");
        }
    }
}
