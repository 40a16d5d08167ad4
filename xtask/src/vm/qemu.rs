//! Booting a kernel in qemu and reading what comes over the serial line.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, Read, Write as _},
    path::PathBuf,
    process::{Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use super::{Image, Kernel, report};
use crate::{files, progress::say, shell};

/// The program, as Debian's qemu-system-x86 installs it.
pub const QEMU: &str = "qemu-system-x86_64";

/// An emulated machine is some thirty times slower than a real one.
const LIMIT: Duration = Duration::from_secs(600);

/// A guest under KVM is up in one second; one that hangs is not worth more.
const PROBE_LIMIT: Duration = Duration::from_secs(5);

/// How often a guest that says nothing is reported to be at work still.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

const MEMORY_MB: u32 = 1024;

/// What runs the guest's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accelerator {
    /// The CPU itself.
    Kvm,
    /// qemu's emulator (its "tiny code generator").
    Emulation,
}

/// A kernel with a root file system.
pub struct Machine<'a> {
    kernel: &'a Kernel,
    initramfs: PathBuf,
}

impl Accelerator {
    /// Boots `machine` under KVM, and takes KVM only if that gets as far as the guest's first process: nested
    /// virtualisation may offer a KVM whose guests hang.
    pub fn probe(machine: &Machine<'_>) -> Self {
        let attempt = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/kvm")
            .context("/dev/kvm")
            .and_then(|_| machine.run(Self::Kvm, "probe", "", PROBE_LIMIT));
        let why = match attempt {
            Ok(lines) if lines.iter().any(|line| report::said(line) == Some("up")) => {
                return Self::Kvm;
            }
            Ok(_) => "its guest ended early".to_owned(),
            Err(error) => format!("{error:#}"),
        };
        say(format!("KVM is of no use here ({why}): emulating the CPU"));
        Self::Emulation
    }
}

impl fmt::Display for Accelerator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kvm => "KVM",
            Self::Emulation => "emulated (TCG)",
        })
    }
}

impl<'a> Machine<'a> {
    /// Writes the root file system to where qemu will read it.
    pub fn new(kernel: &'a Kernel, image: &Image) -> Result<Self> {
        let initramfs = super::directory().join(format!("{}.cpio", kernel.release));
        image.write(&initramfs)?;
        Ok(Self { kernel, initramfs })
    }

    /// The kernel's release.
    pub fn release(&self) -> &str {
        &self.kernel.release
    }

    /// Boots with a role and the words for its program, shows what that program says while it says it, and gives every
    /// line that came when the machine has switched itself off.
    ///
    /// # Errors
    /// qemu fails, or the machine is still on after ten minutes.
    pub fn boot(
        &self,
        accelerator: Accelerator,
        role: &str,
        arguments: &str,
    ) -> Result<Vec<String>> {
        self.run(accelerator, role, arguments, LIMIT)
    }

    /// What the machine said when it had `role`: its whole serial line, and qemu's own complaints.
    pub fn log(&self, role: &str) -> PathBuf {
        super::directory().join(format!("log/{}-{role}.log", self.kernel.release))
    }

    fn run(
        &self,
        accelerator: Accelerator,
        role: &str,
        arguments: &str,
        limit: Duration,
    ) -> Result<Vec<String>> {
        let log = self.log(role);
        files::make_parent(&log)?;
        let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = self.command(accelerator, role, arguments);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file.try_clone()?)
            .spawn()
            .with_context(|| format!("cannot start {}", shell::show(&command)))?;
        let serial = child.stdout.take().context("qemu has no output")?;
        let lines = follow(serial, file, self.release(), limit);
        // When there is nothing more to read it has ended by itself; else its time is over.
        if lines.is_err() {
            child.kill()?;
        }
        let status = child.wait()?;
        let lines = lines?;
        if !status.success() {
            bail!("{QEMU} ended with {status}");
        }
        Ok(lines)
    }

    fn command(&self, accelerator: Accelerator, role: &str, arguments: &str) -> Command {
        let accel = match accelerator {
            Accelerator::Kvm => "kvm",
            Accelerator::Emulation => "tcg",
        };
        // panic=-1: a kernel that panics restarts at once, which -no-reboot turns into the end.
        // loglevel=3: errors only, so that no line of the guest's program is torn apart by the kernel's.
        let append = format!("console=ttyS0 panic=-1 loglevel=3 lb.role={role} -- {arguments}");
        let mut command = Command::new(QEMU);
        command
            .args(["-nodefaults", "-no-user-config", "-no-reboot"])
            .args(["-display", "none", "-serial", "stdio"])
            // Everything the accelerator can do, a source of random numbers among it.
            .args(["-accel", accel, "-cpu", "max", "-smp", "1"])
            .args(["-m", &MEMORY_MB.to_string()])
            .arg("-kernel")
            .arg(&self.kernel.vmlinuz)
            .arg("-initrd")
            .arg(&self.initramfs)
            .args(["-append", &append]);
        command
    }
}

/// Reads the serial line to its end, into `log` and for the person at the terminal.
fn follow(
    serial: impl Read + Send + 'static,
    mut log: File,
    title: &str,
    limit: Duration,
) -> Result<Vec<String>> {
    let start = Instant::now();
    let incoming = lines(serial);
    let mut all = Vec::new();
    let mut quiet_since = start;
    loop {
        let left = limit
            .checked_sub(start.elapsed())
            .with_context(|| format!("the machine was still on after {} s", limit.as_secs()))?;
        match incoming.recv_timeout(left.min(SIGN_OF_LIFE)) {
            Ok(line) => {
                writeln!(log, "{line}").context("cannot write the log")?;
                if let Some(words) = report::said(&line) {
                    say(format!("Linux {title}: {words}"));
                    quiet_since = Instant::now();
                }
                all.push(line);
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(all),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if quiet_since.elapsed() >= SIGN_OF_LIFE {
            say(format!(
                "Linux {title}: {} s so far",
                start.elapsed().as_secs()
            ));
            quiet_since = Instant::now();
        }
    }
}

/// The lines of a serial line, which ends each with `\r\n`, as they come.
fn lines(serial: impl Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut serial = BufReader::new(serial);
        let mut line = Vec::new();
        // A serial line may carry anything; what is no text is of no interest.
        while serial
            .read_until(b'\n', &mut line)
            .is_ok_and(|read| read > 0)
        {
            let text = String::from_utf8_lossy(&line);
            if send.send(text.trim_end().to_owned()).is_err() {
                break;
            }
            line.clear();
        }
    });
    receive
}

#[cfg(test)]
mod tests {
    use std::{
        env, fs,
        io::{Cursor, pipe},
        process,
    };

    use super::*;

    fn log(name: &str) -> (PathBuf, File) {
        let path = env::temp_dir().join(format!("xtask-{name}-{}.log", process::id()));
        let file = File::create(&path).expect("a temporary directory");
        (path, file)
    }

    #[test]
    fn a_serial_line_is_read_to_its_end_and_logged() {
        let (path, file) = log("serial");
        let serial = Cursor::new(b"[ 0.1] boot\r\nguest: ok\r\n\xff\r\nlast".to_vec());
        let lines = follow(serial, file, "6.1", Duration::from_secs(60)).expect("it ends");
        assert_eq!(lines, ["[ 0.1] boot", "guest: ok", "\u{fffd}", "last"]);
        let logged = fs::read_to_string(&path).expect("a log");
        fs::remove_file(path).expect("a log");
        assert_eq!(logged, "[ 0.1] boot\nguest: ok\n\u{fffd}\nlast\n");
    }

    #[test]
    fn a_machine_that_stays_on_is_given_up() {
        let (path, file) = log("stays-on");
        let (serial, _held_open) = pipe().expect("a pipe");
        let error = follow(serial, file, "6.1", Duration::from_millis(50)).expect_err("no end");
        fs::remove_file(path).expect("a log");
        assert_eq!(error.to_string(), "the machine was still on after 0 s");
    }
}
