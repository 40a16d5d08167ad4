//! Mistakes of every kind.

/// Where a file says more of the service and of other backends than the one it has.
const FROM_HERE: &str = "# here\n\n[[service.backend]]\nname = \"web-1\"\naddress = \"10.0.1.11\"";

/// Mistakes in the least that a file can say: what is written there, and what someone wrote instead.
pub(super) const MISTAKES: &[(&str, &str)] = &[
    // Keys.
    ("# here", "shceduler = \"round-robin\""),
    ("type = \"tcp\"", "type = \"tcp\", fastinter = \"1s\""),
    ("type = \"tcp\"", "type = \"tcp\", inter = \"1s\""),
    ("# here", "affinity = \"5m\""),
    ("# here", "sticky = true"),
    ("# here", "[agents]\napi = \"/run/lb.sock\""),
    (
        "address = \"10.0.1.11\"",
        "address = \"10.0.1.11\"\nwieght = 2",
    ),
    ("type = \"tcp\"", "type = \"tcp\", intervall = \"2s\""),
    ("name = \"eth0\"", "xdp = \"native\""),
    ("listen = [\"192.0.2.10:80/tcp\"]", ""),
    ("type = \"tcp\"", ""),
    ("address = \"10.0.1.11\"", ""),
    ("name = \"web-1\"", ""),
    // Types.
    ("name = \"web\"", "name = 5"),
    (
        "listen = [\"192.0.2.10:80/tcp\"]",
        "listen = \"192.0.2.10:80/tcp\"",
    ),
    ("listen = [\"192.0.2.10:80/tcp\"]", "listen = []"),
    ("listen = [\"192.0.2.10:80/tcp\"]", "listen = [80]"),
    ("probe = { type = \"tcp\" }", "probe = \"tcp\""),
    ("[[interface]]", "agent = 5\n[[interface]]"),
    ("[[interface]]", "[interface]"),
    ("[[service.backend]]", "[service.backend]"),
    (
        "address = \"10.0.1.11\"",
        "address = \"10.0.1.11\"\nweight = \"50%\"",
    ),
    (
        "address = \"10.0.1.11\"",
        "address = \"10.0.1.11\"\nweight = 0.5",
    ),
    (
        "address = \"10.0.1.11\"",
        "address = \"10.0.1.11\"\nbackup = \"yes\"",
    ),
    ("# here", "tcp_idle = 3600"),
    // Names.
    ("name = \"web\"", "name = \"\""),
    ("name = \"web\"", "name = \"my web\""),
    ("name = \"web-1\"", "name = \"web/1\""),
    (
        "name = \"web-1\"",
        "name = \"a-name-of-sixty-four-characters-is-one-more-than-the-longest-one-\"",
    ),
    ("name = \"eth0\"", "name = \"an-interface-name\""),
    (
        "name = \"eth0\"",
        "name = \"eth0\"\n[[interface]]\nname = \"eth0\"",
    ),
    (
        "address = \"10.0.1.11\"",
        "address = \"10.0.1.11\"\n[[service.backend]]\nname = \"web-1\"\naddress = \"10.0.1.12\"",
    ),
    (
        "address = \"10.0.1.11\"",
        "address = \"10.0.1.11\"\n[[service]]\nname = \"web\"\nlisten = [\"192.0.2.10:443/tcp\"]\n\
         backend = [{ name = \"web-1\", address = \"10.0.1.11\" }]",
    ),
    // Listeners.
    ("192.0.2.10:80/tcp", "192.0.2.10:80"),
    ("192.0.2.10:80/tcp", "192.0.2.10:80/http"),
    ("192.0.2.10:80/tcp", "192.0.2.10/tcp"),
    ("192.0.2.10:80/tcp", "2001:db8::10:80/tcp"),
    ("192.0.2.10:80/tcp", "example.org:80/tcp"),
    ("192.0.2.10:80/tcp", "example.org"),
    ("192.0.2.10:80/tcp", "192.0.2.10:0/tcp"),
    ("192.0.2.10:80/tcp", "192.0.2.10:65536/tcp"),
    ("192.0.2.10:80/tcp", "0.0.0.0:80/tcp"),
    ("192.0.2.10:80/tcp", "[::1]:80/tcp"),
    ("192.0.2.10:80/tcp", "224.0.0.1:80/udp"),
    ("192.0.2.10:80/tcp", "255.255.255.255:80/udp"),
    ("192.0.2.10:80/tcp", "[::ffff:192.0.2.10]:80/tcp"),
    ("192.0.2.10:80/tcp", "[fe80::1]:80/tcp"),
    (
        "\"192.0.2.10:80/tcp\"",
        "\"192.0.2.10:80/tcp\", \"192.0.2.10:80/tcp\"",
    ),
    (
        "address = \"10.0.1.11\"",
        "address = \"10.0.1.11\"\n[[service]]\nname = \"db\"\nlisten = [\"192.0.2.10:80/tcp\"]\n\
         backend = [{ name = \"db-1\", address = \"10.0.1.11\" }]",
    ),
    // Backends.
    ("address = \"10.0.1.11\"", "address = \"10.0.1.11:80\""),
    ("address = \"10.0.1.11\"", "address = \"127.0.0.1\""),
    ("address = \"10.0.1.11\"", "address = \"::\""),
    ("address = \"10.0.1.11\"", "address = \"2001:db8::11\""),
    ("192.0.2.10:80/tcp", "[2001:db8::10]:80/tcp"),
    ("address = \"10.0.1.11\"", "address = \"192.0.2.10\""),
    (
        "address = \"10.0.1.11\"",
        "address = \"10.0.1.11\"\nweight = 300",
    ),
    (
        "address = \"10.0.1.11\"",
        "address = \"10.0.1.11\"\nweight = -1",
    ),
    (
        "address = \"10.0.1.11\"",
        "address = \"10.0.1.11\"\nbackup = true",
    ),
    (
        "[[service.backend]]\nname = \"web-1\"\naddress = \"10.0.1.11\"",
        "",
    ),
    ("[[interface]]\nname = \"eth0\"", ""),
    ("[[interface]]\nname = \"eth0\"", "interface = []"),
    // Ports and networks of listeners.
    ("192.0.2.10:80/tcp", "192.0.2.10:http/tcp"),
    ("192.0.2.10:80/tcp", "192.0.2.10:+80/tcp"),
    ("192.0.2.10:80/tcp", "192.0.2.10:0-99/tcp"),
    ("192.0.2.10:80/tcp", "192.0.2.10:8099-8000/tcp"),
    ("192.0.2.10:80/tcp", "192.0.2.10:*"),
    ("192.0.2.10:80/tcp", "192.0.2.0/28/tcp"),
    ("192.0.2.10:80/tcp", "192.0.2.0/28:80"),
    ("192.0.2.10:80/tcp", "192.0.2.10/28:80/tcp"),
    ("192.0.2.10:80/tcp", "[2001:db8::10/64]:*/tcp"),
    ("192.0.2.10:80/tcp", "192.0.2.0/33:80/tcp"),
    ("192.0.2.10:80/tcp", "[2001:db8::/129]:80/tcp"),
    ("192.0.2.10:80/tcp", "2001:db8::/64:80/tcp"),
    ("192.0.2.10:80/tcp", "[2001:db8::10]/tcp"),
    ("192.0.2.10:80/tcp", "[192.0.2.10]:80/tcp"),
    ("192.0.2.10:80/tcp", "[2001:db8::10:80/tcp"),
    ("192.0.2.10:80/tcp", "0.0.0.0/0:80/tcp"),
    ("192.0.2.10:80/tcp", "128.0.0.0/1:80/tcp"),
    ("192.0.2.10:80/tcp", "127.1.0.0/16:80/tcp"),
    ("192.0.2.10:80/tcp", "[fe80::/64]:80/tcp"),
    (
        "\"192.0.2.10:80/tcp\"",
        "\"192.0.2.10:80/tcp\", \"192.0.2.10:*/udp\", \"192.0.2.10:70-90/tcp\"",
    ),
    (
        "\"192.0.2.10:80/tcp\"",
        "\"192.0.2.0/28:8000-8099/tcp\", \"192.0.2.0/28:8099-8100/tcp\"",
    ),
    (
        "address = \"10.0.1.11\"",
        "address = \"10.0.1.11\"\n[[service]]\nname = \"db\"\nlisten = [\"192.0.2.10:*/tcp\"]\n\
         backend = [{ name = \"db-1\", address = \"10.0.1.11\" }]",
    ),
    ("192.0.2.10:80/tcp", "192.0.2.10:*/tcp"),
    // Places of backends.
    ("192.0.2.10:80/tcp", "10.0.1.0/24:80/tcp"),
    ("address = \"10.0.1.11\"", "address = \"[2001:db8::11]:80\""),
    (
        FROM_HERE,
        "forward = \"nat\"\nbackend = [{ name = \"a\", address = \"10.0.1.11:0\" }]",
    ),
    (
        FROM_HERE,
        "forward = \"nat\"\nbackend = [{ name = \"a\", address = \"web-1:80\" }]",
    ),
    (
        FROM_HERE,
        "forward = \"nat\"\nbackend = [{ name = \"a\", address = \"[fe80::1%3]:80\" }]",
    ),
    (
        FROM_HERE,
        "forward = \"gue\"\nbackend = [{ name = \"a\", address = \"10.0.1.11:80\" }]",
    ),
    // Ways.
    ("# here", "nat_source = \"auto\""),
    (
        "# here",
        "forward = \"ipip\"\nnat_source = [\"10.0.1.1\"]\nreply = \"route\"\ngue_port = 6080\ngue_variant = 1",
    ),
    (
        "# here",
        "tunnel_source = \"auto\"\ntunnel_hops = 64\nmtu = 1500",
    ),
    ("# here", "forward = \"nat\"\nnat_source = \"any\""),
    ("# here", "forward = \"nat\"\nnat_source = 5"),
    ("# here", "forward = \"nat\"\nnat_source = []"),
    (
        "# here",
        "forward = \"nat\"\nnat_source = [\"10.0.1.1\", \"10.0.1.1\"]",
    ),
    (
        "# here",
        "forward = \"nat\"\nnat_source = [\"10.0.1.0/24\"]",
    ),
    (
        "# here",
        "forward = \"nat\"\nnat_source = [\"127.0.0.1\", 5, \"10.0.1.1\"]",
    ),
    ("# here", "forward = \"nat\"\nnat_source = [\"10.0.1.11\"]"),
    (
        "# here",
        "forward = \"nat\"\nnat_source = [\"2001:db8:1::1\"]",
    ),
    (
        "# here",
        "forward = \"nat\"\nnat_source = [\"10.0.0.1\", \"10.0.0.2\", \"10.0.0.3\", \"10.0.0.4\", \"10.0.0.5\", \
         \"10.0.0.6\", \"10.0.0.7\", \"10.0.0.8\", \"10.0.0.9\"]",
    ),
    (
        FROM_HERE,
        "forward = \"nat\"\nnat_source = \"client\"\nbackend = [{ name = \"a\", address = \"2001:db8::11\" }]",
    ),
    ("# here", "forward = \"nat\"\nreply = \"router\""),
    ("# here", "forward = \"ipip\"\ntunnel_source = \"client\""),
    (
        "# here",
        "forward = \"ipip\"\ntunnel_source = [\"10.0.1.1\", \"10.0.1.2\"]",
    ),
    (
        "# here",
        "forward = \"ipip\"\ntunnel_source = [\"2001:db8:1::1\"]",
    ),
    (
        "# here",
        "forward = \"ipip\"\ntunnel_source = [\"10.0.1.11\"]",
    ),
    ("# here", "forward = \"ipip\"\ntunnel_hops = 0"),
    (
        "# here",
        "forward = \"gue\"\ngue_port = 0\ngue_variant = 2\nmtu = 500",
    ),
    ("# here", "mss = \"1460\""),
    ("# here", "mss = 535"),
    ("# here", "echo = \"no\""),
    // Choices.
    ("# here", "one_packet = true"),
    ("# here", "one_packet = 1"),
    (
        "probe = { type = \"tcp\" }\n# here",
        "scheduler = \"least-connections\"\none_packet = true\nsticky = \"5m\"",
    ),
    ("# here", "sticky = \"8days\""),
    ("# here", "prefix_ipv4 = 24"),
    ("# here", "scheduler = \"maglev\"\nprefix_ipv6 = 64"),
    (
        "# here",
        "sticky = \"5m\"\nprefix_ipv4 = 33\nprefix_ipv6 = 129",
    ),
    ("# here", "scheduler = \"source-hash\"\nprefix_ipv4 = 0"),
    // Clients.
    ("# here", "allow = \"198.51.100.0/24\""),
    ("# here", "allow = []"),
    ("# here", "deny = [\"198.51.100.7/24\"]"),
    ("# here", "deny = [\"198.51.100.0/40\", \"example.org\", 5]"),
    ("# here", "deny = [\"::ffff:198.51.100.0/120\"]"),
    (
        "# here",
        "allow = [\"198.51.100.0/24\"]\ndeny = [\"198.51.100.0/24\"]",
    ),
    ("# here", "allow = [\"198.51.100.7\", \"198.51.100.7/32\"]"),
    // Words.
    ("name = \"eth0\"", "name = \"eth0\"\nxdp = \"driver\""),
    ("# here", "scheduler = \"wrr\""),
    ("# here", "forward = \"fullnat\""),
    ("# here", "on_down = \"drop\""),
    ("# here", "backups = 1"),
    ("# here", "failback = \"Auto\""),
    ("type = \"tcp\"", "type = \"ping\""),
    // Times and numbers.
    ("# here", "udp_idle = \"0s\""),
    ("# here", "udp_idle = \"30\""),
    ("# here", "failback_delay = \"2days\""),
    ("type = \"tcp\"", "type = \"tcp\", interval = \"0ms\""),
    ("type = \"tcp\"", "type = \"tcp\", interval = \"soon\""),
    (
        "type = \"tcp\"",
        "type = \"tcp\", interval = \"1s\", timeout = \"2s\"",
    ),
    (
        "type = \"tcp\"",
        "type = \"tcp\", interval = \"5\", timeout = \"3s\"",
    ),
    ("type = \"tcp\"", "type = \"tcp\", fast_interval = \"3s\""),
    ("type = \"tcp\"", "type = \"tcp\", rise = 0"),
    ("type = \"tcp\"", "type = \"tcp\", port = 0"),
    ("type = \"tcp\"", "type = \"tcp\", path = \"/healthz\""),
    ("type = \"tcp\"", "type = \"http\", path = \"healthz\""),
    ("type = \"tcp\"", "type = \"http\", path = \"/a b\""),
    ("type = \"tcp\"", "type = \"http\", host = \"a b\""),
    ("type = \"tcp\"", "type = \"http\", status = \"2xx\""),
    (
        "type = \"tcp\"",
        "type = \"http\", status = [200, \"399-300\"]",
    ),
    ("type = \"tcp\"", "type = \"http\", status = 20"),
    ("# here", "[agent]\nflows = 10"),
    ("# here", "[agent]\nflows = 99999999999999999999"),
    ("# here", "[agent]\napi = \"lb.sock\""),
    ("# here", "[agent]\nmetrics = \":9110\""),
    ("# here", "[agent]\nmetrics = \"127.0.0.1:0\""),
    ("# here", "[agent]\npacket_log = \"on\""),
    (
        "# here",
        "tcp_opening = \"2days\"\ntcp_closing = \"0s\"\ntcp_closed = \"2h\"",
    ),
    ("# here", "[agent]\nseed = \"\""),
    ("# here", "[agent]\nseed = 5"),
    ("# here", "[agent]\nnat_ports = 1024"),
    ("# here", "[agent]\nnat_ports = \"1024:32767\""),
    ("# here", "[agent]\nnat_ports = \"80-32767\""),
    ("# here", "[agent]\nnat_ports = \"1024-1278\""),
    ("# here", "[agent]\nnat_ports = \"32767-1024\""),
    // Not TOML.
    ("name = \"eth0\"", "name = eth0"),
    ("# here", "\tscheduler \"round-robin\""),
    ("# here", "name = \"web\""),
    ("[[interface]]", "[[interface"),
    ("# here", "tcp_idle = \"1h"),
];
