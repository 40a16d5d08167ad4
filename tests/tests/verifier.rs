//! What the kernel's verifier thinks of the programs. The number of instructions it walks is on record per program;
//! one that grows by more than a fifth fails here, and is then either mended or put on record with its reason.

use std::{fs, path::PathBuf};

use aya::{EbpfLoader, programs::Xdp};

/// On record: program, instructions verified on Linux 6.18.
const RECORD: [(&str, u32); 2] = [("lb", 34_453), ("lb_dry_run", 5_206)];

/// The most that any program may ever need: kernels stop at a million, and slow ones at start.
const MOST: u32 = 40_000;

fn object() -> Vec<u8> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let path = std::env::var("LB_BPF_OBJECT")
        .map_or_else(|_| here.join("../target/bpf/lb.bpf.o"), PathBuf::from);
    fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}: run `cargo xtask test`", path.display()))
}

#[test]
fn the_programs_load_within_their_budget() {
    let object = object();
    let mut ebpf = EbpfLoader::new()
        .override_global("AYA_LOG_LEVEL", &0_u8, true)
        .load(&object)
        .expect("run this as root: `cargo xtask test`");
    for (name, recorded) in RECORD {
        let program: &mut Xdp = ebpf
            .program_mut(name)
            .expect("the program is in the object")
            .try_into()
            .unwrap();
        program
            .load()
            .unwrap_or_else(|error| panic!("{name} does not load: {error}"));
        let verified = program
            .info()
            .unwrap()
            .verified_instruction_count()
            .expect("a kernel that counts");
        println!("{name}: {verified} instructions verified ({recorded} on record)");
        assert!(
            verified <= MOST,
            "{name}: {verified} instructions, more than {MOST}"
        );
        assert!(
            u64::from(verified) * 5 <= u64::from(recorded) * 6,
            "{name}: {verified} instructions are a fifth more than the {recorded} on record"
        );
    }
}

#[test]
fn every_log_line_verifies_too() {
    let object = object();
    let mut ebpf = EbpfLoader::new()
        .override_global("AYA_LOG_LEVEL", &5_u8, true)
        .load(&object)
        .expect("run this as root: `cargo xtask test`");
    let program: &mut Xdp = ebpf
        .program_mut("lb")
        .expect("the program is in the object")
        .try_into()
        .unwrap();
    program
        .load()
        .unwrap_or_else(|error| panic!("with logging on, lb does not load: {error}"));
}
