//! The two builds: BPF objects with the BPF toolchain, then the host's programs with the workspace's.

use std::{fs, process::Command, time::Instant};

use anyhow::{Context as _, Result};

use crate::{
    files, layout,
    progress::say,
    shell,
    toolchain::{self, TARGET, Toolchain, Warnings},
};

/// How the host's programs are compiled. The BPF objects have a profile of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Profile {
    Debug,
    Release,
}

/// Builds the BPF objects, the agent, and those programs of lb-tests that are named.
pub fn build(profile: Profile, lab: &[&str]) -> Result<()> {
    let start = Instant::now();
    objects(&toolchain::resolve()?, Warnings::Show)?;

    let mut command = host_cargo();
    // Always both packages: cargo unites the features of what is named together, and a lab that is
    // named only now and then would have every dependency compiled twice.
    command.args(["build", "-p", "lb-agent", "-p", "lb-tests"]);
    if profile == Profile::Release {
        command.arg("--release");
    }
    for program in ["lb"].iter().chain(lab) {
        command.args(["--bin", program]);
    }
    shell::run(&mut command)?;

    let dir = match profile {
        Profile::Debug => "target/debug",
        Profile::Release => "target/release",
    };
    say(format!("built {dir}/lb in {} s", start.elapsed().as_secs()));
    Ok(())
}

/// Builds the BPF objects, and the programs that a guest runs: static, because a guest has no libraries of theirs.
pub fn guest() -> Result<()> {
    let start = Instant::now();
    objects(&toolchain::resolve()?, Warnings::Show)?;
    let mut command = host_cargo();
    command
        .args(["build", "-p", "lb-agent", "-p", "lb-tests"])
        .args(["--bin", "lb", "--bin", "lb-guest"])
        .args(["--profile", "vm", "--target", layout::GUEST_TARGET])
        .arg("--target-dir")
        .arg(layout::guest_build())
        // The encoded form wins over a RUSTFLAGS that the user set.
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static");
    shell::run(&mut command)?;
    say(format!(
        "built the guest's programs in {} s",
        start.elapsed().as_secs()
    ));
    Ok(())
}

/// Builds the BPF objects and puts them where lb-agent and the tests look for them.
pub fn objects(toolchain: &Toolchain, warnings: Warnings) -> Result<()> {
    let target_dir = layout::target().join("bpf/build");
    let mut command = toolchain.cargo_build(warnings);
    command
        .args(["-p", "lb-ebpf", "--features", "bpf", "--profile", "bpf"])
        .args(["--bin", "lb-bpf", "--bin", "lb-jumbo-bpf"])
        .args(["--bin", "lb-decap-bpf", "--bin", "lb-bench-bpf"])
        .args(["--bin", "lb-generator-bpf"])
        .arg("--target-dir")
        .arg(&target_dir);
    shell::run(&mut command)?;

    let built = target_dir.join(TARGET).join("bpf");
    for (name, object) in [
        ("lb-bpf", layout::bpf_object()),
        ("lb-jumbo-bpf", layout::jumbo_object()),
        ("lb-decap-bpf", layout::decap_object()),
        ("lb-bench-bpf", layout::bench_object()),
        ("lb-generator-bpf", layout::generator_object()),
    ] {
        let content = fs::read(built.join(name))
            .with_context(|| format!("the BPF build left no {}", built.join(name).display()))?;
        files::write_if_changed(&object, &content)?;
    }
    Ok(())
}

/// The workspace's cargo, told where the objects lie: lb-agent embeds three, the tests load all.
pub fn host_cargo() -> Command {
    let mut command = shell::cargo();
    command
        .env("LB_BPF_OBJECT", layout::bpf_object())
        .env("LB_JUMBO_OBJECT", layout::jumbo_object())
        .env("LB_DECAP_OBJECT", layout::decap_object())
        .env("LB_BENCH_OBJECT", layout::bench_object())
        .env("LB_GENERATOR_OBJECT", layout::generator_object());
    command
}
