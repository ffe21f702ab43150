//! Random frames, tags, sizes and splits.

use super::*;

/// Cuts a frame into pieces and segments each piece.
fn through_pieces(
    frame: &[u8],
    layout: &Layout,
    gso: u16,
    kind: GsoKind,
    max: u32,
) -> Vec<Vec<u8>> {
    let cut = Cut::pieces(frame, frame.len() as u32, layout, gso, kind, max).unwrap();
    let header = usize::from(layout.header_len);
    let mut out = Vec::new();
    for i in 0..cut.count() {
        let mut piece = vec![0xee; cut.part_len(i).unwrap()];
        assert_eq!(cut.write(i, [frame], [&mut piece[..]]), Some(piece.len()));
        assert!(piece.len() <= (max as usize).max(header + usize::from(gso)));
        let own = Layout::parse(&piece, layout.l3_off, layout.l4_off).unwrap();
        assert!(checksum::is_partial(&piece, &own), "piece {i}");
        let size = cut.gso_size(i).unwrap();
        assert_eq!(size > 0, piece.len() - header > usize::from(gso));
        out.extend(segments(&piece, &own, gso, kind));
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn sums_do_not_depend_on_how_the_bytes_are_split(data in bytes(0..500), cuts in cuts()) {
        let mut expected = 0_u64;
        for word in data.chunks(2) {
            expected += u64::from(word[0]) << 8 | word.get(1).map_or(0, |low| u64::from(*low));
        }
        while expected > 0xffff {
            expected = (expected >> 16) + (expected & 0xffff);
        }
        let mut sum = Sum::default();
        for chunk in split(&data, 0, &cuts) {
            sum.add(chunk);
        }
        prop_assert_eq!(u64::from(sum.fold()), expected);
    }

    #[test]
    fn completing_gives_what_etherparse_gives(
        spec in spec(bytes(0..3000)), cuts in cuts(), padding in 0..20_usize,
    ) {
        let (right, layout) = spec.right();
        let (mut frame, _) = spec.partial();
        frame.extend(vec![0xaa; padding]);
        let chunks = split(&frame, usize::from(layout.header_len), &cuts);
        let mut chunks: Vec<Vec<u8>> = chunks.into_iter().map(<[u8]>::to_vec).collect();
        let mut parts: Vec<&mut [u8]> = chunks.iter_mut().map(|chunk| &mut chunk[..]).collect();
        prop_assert!(checksum::complete(&mut parts, &layout));
        let frame = chunks.concat();
        prop_assert_eq!(&frame[..right.len()], &right[..]);
        let chunks = split(&frame, usize::from(layout.header_len), &cuts);
        prop_assert!(checksum::verify(chunks, &layout));
    }

    #[test]
    fn a_right_frame_that_looks_partial_stays_right(
        mut spec in spec(bytes(2..1500)), at in any::<prop::sample::Index>(),
    ) {
        // Chooses a word of the payload that makes the correct checksum equal the pseudo-header's sum.
        let at = at.index(spec.payload.len() / 2) * 2;
        spec.payload[at..at + 2].fill(0);
        let (mut frame, layout) = spec.partial();
        let mut sum = Sum::default();
        sum.add(&frame[usize::from(layout.l4_off)..]);
        let field = u16::from_be_bytes(frame[layout.checksum_at()..][..2].try_into().unwrap());
        sum.add_u16(field);
        let word = usize::from(layout.header_len) + at;
        frame[word..word + 2].copy_from_slice(&sum.checksum().to_be_bytes());
        prop_assert!(checksum::verify([&frame[..]], &layout));
        prop_assert!(checksum::is_partial(&frame, &layout));
        let before = frame.clone();
        checksum::complete(&mut [&mut frame[..]], &layout);
        prop_assert_eq!(frame, before);
    }

    #[test]
    fn a_right_frame_is_left_alone(spec in spec(bytes(0..1500))) {
        let (mut frame, layout) = spec.right();
        prop_assume!(!checksum::is_partial(&frame, &layout));
        let before = frame.clone();
        prop_assert!(!checksum::complete(&mut [&mut frame[..]], &layout));
        prop_assert_eq!(&frame, &before);
        prop_assert!(checksum::verify([&frame[..]], &layout));
        let last = frame.len() - 1;
        frame[last] ^= 1;
        if last >= usize::from(layout.header_len) {
            prop_assert!(!checksum::verify([&frame[..]], &layout));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(
        spec in spec(bytes(0..40)), cut in any::<prop::sample::Index>(),
        garbage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        offsets in proptest::option::of((any::<u16>(), any::<u16>())), gso in 0..20_u16,
    ) {
        let (mut frame, layout) = spec.partial();
        for (at, value) in garbage {
            let at = at.index(frame.len());
            frame[at] = value;
        }
        frame.truncate(cut.index(frame.len() + 1));
        let (l3, l4) = offsets.unwrap_or((layout.l3_off, layout.l4_off));
        if let Some(layout) = Layout::parse(&frame, l3, l4) {
            prop_assert!(usize::from(layout.header_len) <= frame.len());
            let _ = checksum::complete(&mut [&mut frame[..]], &layout);
        }
        // A layout that does not belong to the bytes.
        let foreign = Layout { l3_off: l3, l4_off: l4, header_len: l4.wrapping_add(gso), ..layout };
        for layout in [layout, foreign] {
            let _ = checksum::complete(&mut [&mut frame[..]], &layout);
            let mut out = [0; 100];
            let len = frame.len() as u32;
            if let Some(cut) = Cut::segments(&frame, len + 5, &layout, gso, spec.kind()) {
                for i in 0..=cut.count() {
                    let _ = cut.write(i, [&frame[..]], [&mut out[..]]);
                }
            }
            if let Some(cut) = Cut::pieces(&frame, len, &layout, gso, spec.kind(), 70) {
                for i in 0..=cut.count() {
                    let _ = cut.write(i, [&frame[..]], [&mut out[..]]);
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn segments_carry_the_payload_and_are_each_right(
        spec in spec(bytes(1..20_000)), gso in 100..3000_u16,
    ) {
        let (frame, layout) = spec.partial();
        let header = usize::from(layout.header_len);
        let (l3, l4) = (usize::from(layout.l3_off), usize::from(layout.l4_off));
        let all = segments(&frame, &layout, gso, spec.kind());
        let mut payload: Vec<u8> = Vec::new();
        for (i, segment) in all.iter().enumerate() {
            let last = i + 1 == all.len();
            let own = Layout::parse(segment, layout.l3_off, layout.l4_off).unwrap();
            prop_assert!(segment.len() <= header + usize::from(gso));
            prop_assert!(last || segment.len() == header + usize::from(gso));
            prop_assert_eq!(usize::from(own.l4_len), segment.len() - l4);
            prop_assert_eq!(&oracle(segment).to_be_bytes(), &segment[own.checksum_at()..][..2]);
            prop_assert!(checksum::verify([&segment[..]], &own));
            prop_assert_eq!(&segment[..l3], &frame[..l3]);
            if spec.tcp {
                let seq = u32::from_be_bytes(segment[l4 + 4..l4 + 8].try_into().unwrap());
                prop_assert_eq!(seq, spec.seq.wrapping_add(payload.len() as u32));
                let mut flags = spec.flags;
                if i > 0 { flags &= !0x80; }
                if !last { flags &= !0x09; }
                prop_assert_eq!(segment[l4 + 13], flags);
            }
            if !spec.v6 {
                let id = u16::from_be_bytes(segment[l3 + 4..l3 + 6].try_into().unwrap());
                prop_assert_eq!(id, spec.id.wrapping_add(i as u16));
                let mut sum = Sum::default();
                sum.add(&segment[l3..l4]);
                prop_assert_eq!(sum.fold(), 0xffff);
            }
            payload.extend(&segment[header..]);
        }
        prop_assert_eq!(payload, spec.payload);
    }

    #[test]
    fn segmented_pieces_are_the_segments(
        spec in spec(bytes(1..20_000)), gso in 100..3000_u16, max in 0..9000_u32,
    ) {
        let (frame, layout) = spec.partial();
        let direct = segments(&frame, &layout, gso, spec.kind());
        prop_assert_eq!(through_pieces(&frame, &layout, gso, spec.kind(), max), direct);
    }

    #[test]
    fn chains_in_and_out_make_no_difference(
        spec in spec(bytes(1..20_000)), gso in 100..9000_u16, from in cuts(), to in cuts(),
    ) {
        let (frame, layout) = spec.partial();
        let header = usize::from(layout.header_len);
        let chunks = split(&frame, header, &from);
        let len = frame.len() as u32;
        let cut = Cut::segments(chunks[0], len, &layout, gso, spec.kind()).unwrap();
        for (i, segment) in segments(&frame, &layout, gso, spec.kind()).iter().enumerate() {
            let mut out = vec![0xee; segment.len()];
            let at = split(segment, header, &to);
            let mut rest = &mut out[..];
            let mut dst = Vec::new();
            for chunk in at {
                let (head, tail) = rest.split_at_mut(chunk.len());
                dst.push(head);
                rest = tail;
            }
            let src = chunks.iter().copied();
            prop_assert_eq!(cut.write(i as u32, src, dst), Some(segment.len()));
            prop_assert_eq!(&out, segment);
        }
    }
}
