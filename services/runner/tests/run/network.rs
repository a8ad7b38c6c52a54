//! The guest's way out: where it leads, where it does not, and that nothing of it is left.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::support::{
    Host, Image, Ordinary, Ran, Runner, forwards, guards, ip, no_image, no_vm, traces, vmm_of,
    wait_for,
};

/// Says what the server at an address and port answers.
const SHELL: &str = "ask() { echo \"$1 $2: $(busybox nc -w 3 $1 $2 </dev/null 2>/dev/null)\"; }";

/// The arguments that run `script` with the options `options`.
fn script<'a>(options: &[&'a str], script: &'a str) -> Vec<String> {
    let script = format!("{SHELL}\n{script}");
    options
        .iter()
        .copied()
        .chain(["--", "sh", "-c", &script])
        .map(str::to_owned)
        .collect()
}

fn signal(process: u32, signal: Signal) {
    kill(Pid::from_raw(process.try_into().unwrap()), signal).unwrap();
}

const WAIT: &str = "ask 198.51.100.2 80; sleep 1000";
const READY: &str = "198.51.100.2 80: served\n";

/// What of the network of one guest is on its host.
const TRACES: &str = "interface bencher0\ntable inet bencher_runner_0\n\
                      table inet bencher_runner\noutside forwards\n";

#[test]
fn a_guest_reaches_the_neighbour_and_nothing_of_the_host() {
    if no_vm() {
        return;
    }
    Host::with(|_| {
        let runner = Runner::new();
        let arguments = script(
            &["--network", "--format", "json"],
            "cat /etc/resolv.conf
             busybox nslookup server.test | grep -o 203.0.113.7
             ask 198.51.100.2 80
             busybox ping -c 1 -W 3 198.51.100.2 >/dev/null && echo pong
             ask 169.254.169.254 80
             ask 198.51.100.1 8080
             ask 198.18.0.5 8080
             ask 198.18.0.1 8080
             cat /proc/net/if_inet6 | grep -c eth0",
        );
        let image = Image::new(&json!({}));
        let result = runner.run(&image, &arguments).json();
        assert_eq!(
            result["iterations"][0]["stdout"]["content"]["text"],
            "nameserver 198.51.100.2\n203.0.113.7\n198.51.100.2 80: served\npong\n\
             169.254.169.254 80: \n198.51.100.1 8080: \n198.18.0.5 8080: \n198.18.0.1 8080: \n0\n",
            "{result:#}"
        );
        let network = &result["machine"]["network"];
        assert_eq!(network["allowed"], json!(["0.0.0.0/0"]));
        assert_eq!(network["name_servers"], json!(["198.51.100.2"]));
        let blocked = network["blocked"].as_array().unwrap();
        assert!(blocked.contains(&json!("169.254.0.0/16")), "{network}");
        assert_eq!(traces(), "");
    });
}

#[test]
fn a_name_server_on_the_host_is_its_only_service() {
    if no_vm() {
        return;
    }
    Host::with(|host| {
        host.name_server("198.51.100.1");
        let arguments = script(
            &["--network"],
            "busybox nslookup server.test | grep -o 203.0.113.7; ask 198.51.100.1 80",
        );
        let ran = Runner::new().run(&Image::new(&json!({})), &arguments);
        assert_eq!(ran.exits(0).text(), "203.0.113.7\n198.51.100.1 80: \n");
        assert_eq!(traces(), "");
    });
}

#[test]
fn a_narrow_way_out_leads_there_and_nowhere_else() {
    if no_vm() {
        return;
    }
    Host::with(|_| {
        let runner = Runner::new();
        let image = Image::new(&json!({}));
        let everything = "ask 198.51.100.2 80; ask 198.51.100.2 8080; ask 198.51.100.1 8080
                          busybox nslookup server.test | grep -o 203.0.113.7";
        let only_port = ["--network-allow", "198.51.100.2:8080"];
        let ran = runner.run(&image, &script(&only_port, everything)).exits(1);
        assert_eq!(
            ran.text(),
            "198.51.100.2 80: \n198.51.100.2 8080: served\n198.51.100.1 8080: \n"
        );
        assert!(
            ran.stderr.contains("the guest can look up no names"),
            "{}",
            ran.stderr
        );
        // What is blocked stays blocked.
        let both = ["--network", "--network-allow", "198.51.100.0/24"];
        let ran = runner.run(&image, &script(&both, everything)).exits(0);
        assert_eq!(
            ran.text(),
            "198.51.100.2 80: served\n198.51.100.2 8080: served\n198.51.100.1 8080: \n203.0.113.7\n"
        );
    });
}

#[test]
fn guests_have_networks_of_their_own() {
    if no_vm() {
        return;
    }
    Host::with(|_| {
        let (first, second) = (Runner::new(), Runner::new());
        let image = Image::new(&json!({}));
        let mut child = first.start(&image, &script(&["--network"], WAIT));
        wait_for(&mut child, READY);
        assert_eq!(traces(), TRACES);
        // The host gets another way out meanwhile.
        ip("tuntap add dev later mode tap");
        ip("address add 192.0.2.1/24 dev later");
        ip("link set later up");
        let nvdimm = script(
            &["--network", "--root-device", "nvdimm"],
            "ask 198.51.100.2 80",
        );
        let ran = second.run(&image, &nvdimm).exits(0);
        assert_eq!(ran.text(), READY, "by another bus");
        // The first one is still connected, and what came with the second still guarded.
        assert_eq!(traces(), TRACES);
        for interface in ["outside", "later"] {
            let guarded = format!("iifname \"{interface}\" oifname != \"bencher*\" drop");
            assert!(guards().contains(&guarded), "{}", guards());
        }
        assert!(forwards("later"));
        signal(child.id(), Signal::SIGTERM);
        Ran::of(child.wait_with_output().unwrap()).exits(143);
        assert_eq!(traces(), "");
        assert!(!forwards("later"));
    });
}

#[test]
fn a_killed_runners_network_is_removed_at_the_next_start() {
    if no_vm() {
        return;
    }
    Host::with(|_| {
        let runner = Runner::new();
        let image = Image::new(&json!({}));
        let mut child = runner.start(&image, &script(&["--network"], WAIT));
        wait_for(&mut child, READY);
        let vmm = vmm_of(&runner)[0];
        signal(child.id(), Signal::SIGKILL);
        child.wait().unwrap();
        let vmm = format!("/proc/{vmm}");
        while std::path::Path::new(&vmm).exists() {
            std::thread::yield_now();
        }
        assert!(traces().contains("table inet bencher_runner\noutside forwards"));
        // Another state folder, and no network of its own.
        Runner::new().run(&image, &["--", "true"]).exits(0);
        assert_eq!(traces(), "");
        runner
            .run(&image, &script(&["--network"], "ask 198.51.100.2 80"))
            .exits(0);
        assert_eq!(traces(), "");
    });
}

#[test]
fn a_name_in_use_is_an_error_and_stays() {
    if no_vm() {
        return;
    }
    Host::with(|_| {
        ip("tuntap add dev bencher0 mode tap");
        let runner = Runner::new();
        let ran = runner
            .run(&Image::new(&json!({})), &["--network", "--", "true"])
            .exits(125);
        assert!(
            ran.stderr
                .contains("the network interface bencher0 is in use by something else"),
            "{}",
            ran.stderr
        );
        assert!(runner.run_folders().is_empty());
        assert_eq!(traces(), "interface bencher0\n");
    });
}

#[test]
fn addresses_that_the_host_uses_are_left_to_it() {
    if no_vm() {
        return;
    }
    Host::with(|_| {
        let runner = Runner::new();
        let image = Image::new(&json!({}));
        let range = ["--network-range", "198.51.100.0/28"];
        let arguments = script(&[&["--network"], &range[..]].concat(), "true");
        let ran = runner.run(&image, &arguments).exits(125);
        assert!(
            ran.stderr
                .contains("every network in 198.51.100.0/28 is in use"),
            "{}",
            ran.stderr
        );
        assert_eq!(traces(), "");
    });
}

#[test]
fn where_there_can_be_no_network_it_is_said() {
    if no_image() {
        return;
    }
    let runner = Runner::new();
    let image = Image::new(&json!({}));
    for (arguments, expected) in [
        (["--sandbox", "none", "--network"], "with --sandbox none"),
        (["--network", "--network-allow", "::1"], "no IPv6"),
        (["--network", "--network-allow", "10.0.0.1/8"], "10.0.0.0/8"),
        (["--network", "--network-range", "10.0.0.0/30"], "8 to 29"),
    ] {
        let arguments = [&arguments[..], &["--", "true"]].concat();
        let ran = runner.run(&image, &arguments).exits(125);
        assert!(ran.stderr.contains(expected), "{}", ran.stderr);
    }
    if no_vm() {
        return;
    }
    let network = ["--network", "--", "true"];
    if let Some(user) = Ordinary::new() {
        let ran = user.run(&image, &network).exits(125);
        assert!(ran.stderr.contains("run as root"), "{}", ran.stderr);
        let off = [&["--no-jail"], &network[..]].concat();
        let ran = runner.run(&image, &off).exits(125);
        assert!(ran.stderr.contains("leave --no-jail out"), "{}", ran.stderr);
    }
}
