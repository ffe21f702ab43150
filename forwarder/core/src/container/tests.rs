use super::*;

struct Sized(u32);
impl Packet for Sized {
    fn len(&self) -> u32 {
        self.0
    }
    fn arrived_ns(&self) -> u64 {
        0
    }
}

#[test]
fn limits() {
    let mut c = Container::new(4096);
    c.open(7, PortId(1), PortId(2));
    assert!(c.fits(65_000, 1));
    c.push(Sized(65_000));
    assert!(!c.fits(1, 1));
    assert_eq!(c.pop().map(|p| p.0), Some(65_000));
    for _ in 0..CONTAINER_PACKETS {
        assert!(c.fits(60, 1));
        c.push(Sized(60));
    }
    assert!(!c.fits(60, 1));
    assert_eq!((c.len(), c.bytes(), c.opened_ns()), (64, 3840, 7));
    let first = c.pop().unwrap();
    c.unpop(first);
    assert_eq!(c.bytes(), 3840);
}

#[test]
fn absorbing_keeps_order_and_sums() {
    let (mut a, mut b) = (Container::new(4096), Container::new(4096));
    a.push(Sized(1));
    b.push(Sized(2));
    b.push(Sized(3));
    a.absorb(&mut b);
    assert!(b.is_empty() && b.bytes() == 0);
    assert_eq!(a.bytes(), 6);
    assert_eq!(a.iter().map(|p| p.0).collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn spares_are_reused() {
    let mut spares: Spares<Sized> = Spares::new(4096, 1);
    let one = spares.take(0, PortId(0), PortId(1));
    assert_eq!(spares.len(), 0);
    let two = spares.take(0, PortId(0), PortId(1));
    spares.put(one);
    spares.put(two);
    assert_eq!(spares.len(), 2);
}

#[test]
fn containers_of_others_do_not_pile_up() {
    let mut spares: Spares<Sized> = Spares::new(4096, 2);
    assert!(spares.surplus().is_none());
    for _ in 0..1000 {
        spares.put(Container::new(4096));
    }
    assert_eq!(spares.len(), 2 + SURPLUS);
    while spares.surplus().is_some() {}
    assert_eq!(spares.len(), 2);
    // Making a new container for each one that leaves does not raise the bound.
    for _ in 0..1000 {
        let _leaves = spares.take(0, PortId(0), PortId(1));
        spares.gone();
    }
    for _ in 0..1000 {
        spares.put(Container::new(4096));
    }
    assert_eq!(spares.len(), 2 + SURPLUS);
}
