#!/usr/bin/perl
# The one program behind every hook tool and juju-exec; it runs inside machines.
#
# It passes its name, arguments and input to the controller and prints the answer. A hook calls
# dozens of tools, and Python takes longer to start than all that this does: Perl, of which each
# Debian has the base, a fifth of that. No module is loaded, which would cost more than the rest.
#
# A request: sizes of words and input, a line break, the words with NUL between them, the input. An
# answer: exit code and size of the standard output, a line break, standard output and error.

my ($directory, $name) = $0 =~ m{^(?:(.*)/)?([^/]*)$};
my $context = $ENV{JUJU_CONTEXT_ID} // "";
my $address = $ENV{JUJU_AGENT_SOCKET_ADDRESS} // "";

sub fail { print STDERR "ERROR $_[0]\n"; exit($_[1] // 1) }

if ($name eq "juju-exec") {
    fail("juju-exec cannot be called from within a hook", 2) if $context ne "";
    fail("usage: juju-exec <unit-name> <commands>", 2) if @ARGV != 2;
    $address = "$directory/../agent.socket";
} elsif ($context eq "" or $address eq "") {
    fail("$name: not in a hook: JUJU_CONTEXT_ID is not set");
}

# The controller cannot see this machine's files.
my ($file, $payload) = (undef, "");
for my $number (0 .. $#ARGV) {
    $file = $ARGV[$number + 1] if $ARGV[$number] eq "--file" and $number < $#ARGV;
    $file = $1 if $ARGV[$number] =~ /^--file=(.*)/s;
}
if (defined $file) {
    my $stream = \*STDIN;
    $file eq "-" or open($stream, "<", $file) or fail("$file: $!");
    local $/;
    $payload = <$stream> // "";
}

my $request = join("\0", $context, $name, @ARGV);
my $answer = "";
my $connection;
socket($connection, 1, 1, 0)  # AF_UNIX, SOCK_STREAM
    and connect($connection, pack("Sa108", 1, $address))
    and syswrite($connection, length($request) . " " . length($payload) . "\n$request$payload")
    or fail("$name: no answer from the controller: $!");
while (sysread($connection, $answer, 65536, length $answer)) { }
$answer =~ /^(\d+) (\d+)\n/ or fail("$name: no answer from the controller: connection closed");
my ($code, $length) = ($1, $2);
substr($answer, 0, $+[0]) = "";
print STDOUT substr($answer, 0, $length);
print STDERR substr($answer, $length);
close(STDOUT);
exit($code);
