# shellcheck shell=bash
# Shared by the scripts that build an image from Debian's packages.

keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# missing_for_debootstrap prints the packages that bootstrap needs and this machine lacks.
missing_for_debootstrap() {
	local missing=()
	command -v debootstrap >/dev/null || missing+=(debootstrap)
	command -v gpgv >/dev/null || missing+=(gpgv)
	[ -e "$keyring" ] || missing+=(debian-archive-keyring)
	echo "${missing[*]-}"
}

# remove DIRECTORY also unmounts what is mounted in it: debootstrap leaves /proc behind if
# it is interrupted, or if another process reads there.
remove() {
	awk -v directory="$1/" 'index($2, directory) == 1 {print $2}' /proc/mounts | xargs --no-run-if-empty umount --lazy
	rm -rf --one-file-system "$1"
}

# bootstrap DIRECTORY PACKAGES writes a root file system with Debian's essential packages
# and these, separated by commas, to standard output as a tar archive. It works in
# DIRECTORY.
bootstrap() {
	remove "$1"
	# Without --force-check-gpg, debootstrap continues where it lacks the keys.
	debootstrap --force-check-gpg --keyring "$keyring" --variant=minbase ${2:+--include="$2"} "$DEBIAN_SUITE" "$1" >&2
	tar -C "$1" --exclude='./proc/*' --exclude='./sys/*' --exclude='./var/cache/apt/archives/*.deb' -cf - .
	remove "$1"
}
