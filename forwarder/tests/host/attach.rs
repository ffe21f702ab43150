use weir::control::attach::{AttachError, Mode, Steering, WantedMode};
use weir::control::btf;
use weir_abi::{Counter, PortConfig};

use super::bed::{in_host, link};

#[test]
fn a_program_in_the_way_is_named() {
    in_host(|bed| {
        bed.add_guest("vm1", "v1");
        let v1 = link("v1");
        let mut first = Steering::load(&btf::facts_or_none()).unwrap();
        let mut second = Steering::load(&btf::facts_or_none()).unwrap();
        let attached = first.attach(v1.ifindex, "v1", Mode::Skb).unwrap();
        let (id, mode) = link("v1").xdp.program().unwrap();
        assert_eq!(mode, "xdpgeneric");
        for mode in [Mode::Skb, Mode::Native] {
            match second.attach(v1.ifindex, "v1", mode).unwrap_err() {
                AttachError::Occupied { name, occupant } => {
                    assert_eq!((name.as_str(), occupant.program_id), ("v1", id));
                    assert!(occupant.is_weir(), "{occupant:?}");
                    let own = std::process::id();
                    assert!(occupant.holders.iter().any(|(pid, _)| *pid == own), "{occupant:?}");
                    let text = occupant.to_string();
                    assert!(text.contains("xdpgeneric") && text.contains(&id.to_string()));
                }
                other => panic!("{other}"),
            }
        }
        first.detach(attached).unwrap();
        assert_eq!(link("v1").xdp.program(), None);

        let wanted = WantedMode::Auto;
        let attached = second.attach_as(v1.ifindex, "v1", wanted, v1.prefers_skb_mode()).unwrap();
        assert_eq!(attached.mode, Mode::Skb);
        // What happens when the process dies: the descriptor is closed, and that is all.
        drop(attached);
        assert_eq!(link("v1").xdp.program(), None);
        let attached = second.attach(v1.ifindex, "v1", Mode::Native).unwrap();
        assert_eq!(link("v1").xdp.program().unwrap().1, "xdpdrv");
        bed.host("ip link del v1");
        second.detach(attached).unwrap();
        let gone = second.attach(v1.ifindex, "v1", Mode::Skb).unwrap_err();
        assert!(matches!(gone, AttachError::Gone { .. }), "{gone}");
    });
}

#[test]
fn a_driver_without_xdp_gets_skb_mode() {
    in_host(|_| {
        let lo = link("lo");
        let mut steering = Steering::load(&btf::facts_or_none()).unwrap();
        let refused = steering.attach(lo.ifindex, "lo", Mode::Native).unwrap_err();
        assert!(refused.to_string().contains("mode = \"auto\""), "{refused}");
        let attached = steering.attach_as(lo.ifindex, "lo", WantedMode::Auto, false).unwrap();
        assert_eq!(attached.mode, Mode::Skb);
    });
}

#[test]
fn maps_are_written_and_counters_read() {
    in_host(|bed| {
        bed.add_guest("vm1", "v1");
        let v1 = link("v1");
        let mut steering = Steering::load(&btf::facts_or_none()).unwrap();
        steering.reset_slot(7).unwrap();
        steering.configure_port(v1.ifindex, PortConfig::new(7, 0, v1.mac, [0; 6])).unwrap();
        steering.allow_mac(7, [2, 0, 0, 0, 0, 1]).unwrap();
        steering.revoke_mac(7, [2, 0, 0, 0, 0, 1]).unwrap();
        steering.revoke_mac(7, [2, 0, 0, 0, 0, 1]).unwrap();
        steering.allow_ip(7, "192.0.2.1".parse().unwrap()).unwrap();
        steering.revoke_ip(7, "192.0.2.1".parse().unwrap()).unwrap();
        assert_eq!(steering.counters(7).unwrap().received(), 0);
        assert!(steering.counters(256).is_err());

        let attached = steering.attach(v1.ifindex, "v1", Mode::Skb).unwrap();
        bed.inside("vm1", "ip addr add 192.0.2.2/24 dev eth0");
        // Nobody answers; the questions are what counts.
        bed.inside("vm1", "ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev eth0");
        let count =
            |steering: &Steering| steering.counters(7).unwrap().frames(Counter::PassedFallback);
        super::bed::wait_for("a counted frame", || {
            let _ = std::process::Command::new("ip")
                .args(["netns", "exec", &bed.namespace("vm1"), "ping", "-c1", "-W1", "192.0.2.9"])
                .output();
            count(&steering) > 0
        });
        steering.detach(attached).unwrap();
        steering.forget_port(v1.ifindex).unwrap();
        steering.forget_port(v1.ifindex).unwrap();
        steering.reset_slot(7).unwrap();
        assert_eq!(steering.counters(7).unwrap().received(), 0);
    });
}
