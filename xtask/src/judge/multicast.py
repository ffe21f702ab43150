#!/usr/bin/env python3
"""msend and mreceive as far as the kernel's tests use them; Debian has no package of them.

-g GROUP, -I INTERFACE, -c COUNT (msend), -v (the version, for the tests to ask).
"""

import argparse
import ipaddress
import os
import signal
import socket
import struct
import sys

PORT = 4444
# From linux/in6.h; Python has no name for it on every version.
IPV6_JOIN = getattr(socket, "IPV6_JOIN_GROUP", 20)


def main():
    name = os.path.basename(sys.argv[0])
    parser = argparse.ArgumentParser(prog=name)
    parser.add_argument("-v", action="store_true")
    parser.add_argument("-g")
    parser.add_argument("-I")
    parser.add_argument("-c", type=int, default=1)
    args = parser.parse_args()
    if args.v:
        print(f"{name} version 3.0")
        return
    group = ipaddress.ip_address(args.g)
    index = socket.if_nametoindex(args.I)
    six = group.version == 6
    link = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
    if name == "mreceive":
        if six:
            member = group.packed + struct.pack("@i", index)
            link.setsockopt(socket.IPPROTO_IPV6, IPV6_JOIN, member)
        else:
            member = struct.pack("=4s4si", group.packed, bytes(4), index)
            link.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        signal.pause()
    # What `ip vrf exec` has bound the socket to is a device that has no way to an IPv6 group.
    link.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, args.I.encode())
    if six:
        link.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    else:
        member = struct.pack("=4s4si", bytes(4), bytes(4), index)
        link.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, member)
    for _ in range(args.c):
        link.sendto(b"a message from msend", (str(group), PORT))


main()
