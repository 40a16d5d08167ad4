//! What lb and the reference are configured with.

use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use lb_agent::config::Config;

/// A configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// A service for each way of forwarding, with two backends or, where addresses are translated, sixteen.
    Ways,
    /// So many services of one backend each. Their VIPs follow each other.
    Services(u32),
    /// One service of so many backends.
    Backends(u32),
}

/// A service for each way of forwarding; `unknown` has no flow, and the second address of a service has one only.
const WAYS: &str = include_str!("bench.toml");

impl Layout {
    /// Number of services that frames are spread over.
    pub const fn services(self) -> u32 {
        match self {
            Self::Services(many) => many,
            Self::Ways | Self::Backends(_) => 1,
        }
    }

    /// The configuration.
    ///
    /// # Errors
    /// Where lb refuses it.
    pub fn config(self) -> Result<Config> {
        let text = self.text()?;
        Config::parse(&text, "bench.toml").context("the stand's configuration")
    }

    fn text(self) -> Result<String> {
        let mut text = String::from("[[interface]]\nname = \"lo\"\n");
        match self {
            Self::Ways => return Ok(WAYS.into()),
            Self::Services(many) => {
                for number in 0..many {
                    let [_, _, high, low] = number.to_be_bytes();
                    writeln!(
                        text,
                        "[[service]]\nname = \"s{number}\"\nlisten = [\"198.18.{high}.{low}:80/tcp\"]"
                    )?;
                    backend(&mut text, 0)?;
                }
            }
            Self::Backends(many) => {
                // A ring of round robin has no room for as many.
                text += "[[service]]\nname = \"many\"\nlisten = [\"198.18.0.0:80/tcp\"]\nscheduler = \"maglev\"\n";
                for number in 0..many {
                    backend(&mut text, number)?;
                }
            }
        }
        Ok(text)
    }
}

/// A backend by the interface that frames come by: its address is odd.
fn backend(text: &mut String, number: u32) -> Result<()> {
    let [_, _, high, low] = (2 * number + 1).to_be_bytes();
    writeln!(
        text,
        "[[service.backend]]\nname = \"b{number}\"\naddress = \"10.1.{high}.{low}\""
    )?;
    Ok(())
}
