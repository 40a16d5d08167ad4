//! What the kernel's verifier thinks of the programs. The number of instructions it walks is on record per program;
//! one that grows by more than a fifth fails here, and is then either mended or put on record with its reason.

use std::{fs, path::PathBuf};

use aya::{EbpfLoader, programs::Xdp};
use lb_common::Stage;

/// On record: program, instructions verified on Linux 6.18.
const RECORD: [(&str, u32); 24] = [
    ("lb", 10_194),
    ("lb_answer", 4_049),
    ("lb_begin", 53_894),
    ("lb_bind", 27_987),
    ("lb_depart", 36_347),
    ("lb_dry_answer", 3_904),
    ("lb_dry_begin", 32_116),
    ("lb_dry_bind", 23),
    ("lb_dry_depart", 458),
    ("lb_dry_fragment", 23),
    ("lb_dry_icmp", 47_152),
    ("lb_dry_notify", 466),
    ("lb_dry_open", 2_262),
    ("lb_dry_record", 23),
    ("lb_dry_run", 2_392),
    ("lb_dry_select", 38_362),
    ("lb_dry_walk", 30_212),
    ("lb_fragment", 11_403),
    ("lb_icmp", 52_194),
    ("lb_notify", 12_619),
    ("lb_open", 9_652),
    ("lb_record", 31_273),
    ("lb_select", 43_906),
    ("lb_walk", 30_792),
];

/// The most that any program may ever need: kernels stop at a million, and slow ones at start. Older ones walk further:
/// Linux 6.1 about ten times as far.
const MOST: u32 = 60_000;

/// Each object: the variable that names its file, and where it lies otherwise. The second takes frames in several pieces
/// as well; both are held to one record.
const OBJECTS: [(&str, &str); 2] = [
    ("LB_BPF_OBJECT", "../target/bpf/lb.bpf.o"),
    ("LB_JUMBO_OBJECT", "../target/bpf/jumbo.bpf.o"),
];

fn object((variable, usual): (&str, &str)) -> Vec<u8> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let path = std::env::var(variable).map_or_else(|_| here.join(usual), PathBuf::from);
    fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}: run `cargo xtask test`", path.display()))
}

#[test]
fn the_programs_load_within_their_budget() {
    for file in OBJECTS {
        within_budget(&object(file));
    }
}

fn within_budget(object: &[u8]) {
    let mut ebpf = EbpfLoader::new()
        .override_global("AYA_LOG_LEVEL", &0_u8, true)
        .load(object)
        .expect("run this as root: `cargo xtask test`");
    let mut complaints = Vec::new();
    for (name, recorded) in RECORD {
        let program: &mut Xdp = ebpf
            .program_mut(name)
            .expect("the program is in the object")
            .try_into()
            .expect("it is one of XDP");
        program
            .load()
            .unwrap_or_else(|error| panic!("{name} does not load: {error}"));
        let verified = program
            .info()
            .expect("the program is loaded")
            .verified_instruction_count()
            .expect("a kernel that counts");
        println!("{name}: {verified} instructions verified ({recorded} on record)");
        if verified > MOST {
            complaints.push(format!("{name}: {verified} instructions, more than {MOST}"));
        }
        if u64::from(verified) * 5 > u64::from(recorded) * 6 {
            complaints.push(format!(
                "{name}: {verified} instructions are a fifth more than the {recorded} on record"
            ));
        }
    }
    assert!(complaints.is_empty(), "{complaints:#?}");
}

#[test]
fn every_log_line_verifies_too() {
    for file in OBJECTS {
        every_log_line(&object(file));
    }
}

fn every_log_line(object: &[u8]) {
    let mut ebpf = EbpfLoader::new()
        .override_global("AYA_LOG_LEVEL", &5_u8, true)
        .load(object)
        .expect("run this as root: `cargo xtask test`");
    for stage in Stage::ALL {
        let name = stage.program(false);
        let program: &mut Xdp = ebpf
            .program_mut(name)
            .expect("the program is in the object")
            .try_into()
            .expect("it is one of XDP");
        program
            .load()
            .unwrap_or_else(|error| panic!("with logging on, {name} does not load: {error}"));
    }
}
