//! Which files a kernel module needs, and in which order they are inserted.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};

/// A kernel's modules by name, as `depmod` has found them out.
pub struct Modules {
    /// Files below the modules' directory, each after those it needs.
    loadable: BTreeMap<String, Vec<String>>,
    builtin: BTreeSet<String>,
}

impl Modules {
    /// Reads `modules.dep` (each line `FILE: FILE...`) and `modules.builtin` (a file per line).
    ///
    /// # Errors
    /// A line of `modules.dep` has no colon.
    pub fn parse(dependencies: &str, builtin: &str) -> Result<Self> {
        let mut needs = BTreeMap::new();
        for line in dependencies.lines() {
            let (file, needed) = line
                .split_once(':')
                .with_context(|| format!("modules.dep: no colon in `{line}`"))?;
            needs.insert(file, needed.split_whitespace().collect());
        }
        let loadable = needs
            .keys()
            .map(|file| {
                let mut files = Vec::new();
                collect(file, &needs, &mut BTreeSet::new(), &mut files);
                (name(file), files)
            })
            .collect();
        Ok(Self {
            loadable,
            builtin: builtin.lines().map(name).collect(),
        })
    }

    /// The files to insert for these modules, each once, each after those it needs. What is part of the kernel needs
    /// no file.
    ///
    /// # Errors
    /// The kernel does not have one of them.
    pub fn files(&self, modules: &[&str]) -> Result<Vec<String>> {
        let mut files: Vec<String> = Vec::new();
        for module in modules {
            let module = name(module);
            match self.loadable.get(&module) {
                Some(needed) => {
                    for file in needed {
                        if !files.contains(file) {
                            files.push(file.clone());
                        }
                    }
                }
                None if self.builtin.contains(&module) => {}
                None => bail!("the kernel has no module {module}"),
            }
        }
        Ok(files)
    }
}

/// Adds what `file` needs and then itself to `files`. depmod promises no order and no completeness within a line.
fn collect<'a>(
    file: &'a str,
    needs: &BTreeMap<&str, Vec<&'a str>>,
    seen: &mut BTreeSet<&'a str>,
    files: &mut Vec<String>,
) {
    // Before its needs are looked at: a list that runs in a circle comes to an end.
    if !seen.insert(file) {
        return;
    }
    for needed in needs.get(file).into_iter().flatten() {
        collect(needed, needs, seen, files);
    }
    files.push(file.to_owned());
}

/// The module a file holds: `kernel/drivers/net/veth.ko.xz` holds `veth`, and the kernel takes `-` for `_`.
fn name(file: &str) -> String {
    let base = file.rsplit('/').next().unwrap_or(file);
    base.split('.').next().unwrap_or(base).replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::Modules;

    const DEP: &str = "\
kernel/drivers/net/veth.ko:
kernel/net/ipvs/ip_vs.ko.xz: kernel/net/nf_conntrack.ko.xz kernel/lib/libcrc32c.ko.xz
kernel/net/ipvs/ip_vs_rr.ko.xz: kernel/net/ipvs/ip_vs.ko.xz
kernel/net/nf_conntrack.ko.xz: kernel/net/nf-defrag.ko.xz
kernel/net/nf-defrag.ko.xz:
kernel/lib/libcrc32c.ko.xz:
";
    const BUILTIN: &str = "kernel/net/ipv6/ipv6.ko\nkernel/crypto/crc32c_generic.ko\n";

    fn modules() -> Modules {
        Modules::parse(DEP, BUILTIN).expect("a sound list")
    }

    #[test]
    fn a_module_comes_after_everything_it_needs() {
        let files = modules().files(&["ip_vs_rr"]).expect("known");
        assert_eq!(
            files,
            [
                "kernel/net/nf-defrag.ko.xz",
                "kernel/net/nf_conntrack.ko.xz",
                "kernel/lib/libcrc32c.ko.xz",
                "kernel/net/ipvs/ip_vs.ko.xz",
                "kernel/net/ipvs/ip_vs_rr.ko.xz",
            ]
        );
    }

    #[test]
    fn a_file_is_inserted_once_and_a_builtin_never() {
        let files = modules()
            .files(&["veth", "nf_defrag", "ipv6", "nf_conntrack", "veth"])
            .expect("known");
        assert_eq!(
            files,
            [
                "kernel/drivers/net/veth.ko",
                "kernel/net/nf-defrag.ko.xz",
                "kernel/net/nf_conntrack.ko.xz",
            ]
        );
    }

    #[test]
    fn names_what_is_missing() {
        let error = modules().files(&["veth", "fou"]).expect_err("no fou");
        assert_eq!(error.to_string(), "the kernel has no module fou");
    }

    #[test]
    fn a_circle_comes_to_an_end() {
        let circle = Modules::parse("a.ko: b.ko\nb.ko: a.ko\n", "").expect("a sound list");
        assert_eq!(circle.files(&["a"]).expect("known"), ["b.ko", "a.ko"]);
    }

    #[test]
    fn refuses_what_is_no_list() {
        assert!(Modules::parse("kernel/a.ko kernel/b.ko\n", "").is_err());
    }
}
