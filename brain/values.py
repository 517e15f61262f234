"""Random values for the arguments of training sentences, so that the model learns where an
argument is and not which ones there are."""

import random
import string

WORDS = """srv www site data app backup notes report photos music logs archive public private work home old new tmp cache
index main config readme todo list invoice budget holiday project alpha beta release build upload download share
team office server web shop blog wiki mail report2024 v2 final draft copy test demo prod staging kunden bilder docs
welcome hello summer winter kitchen garden meeting sales hr legal it ops dev games movies books scans export import""".split()
ROOTS = "/srv /srv/www /var/lib /var/log /etc /home/anna /home/joe /tmp /opt /data /mnt/usb /root /usr/local /srv/share /etc/nginx /backup /var/www/html /run".split()
EXTENSIONS = "txt html conf log md json yaml toml csv py sh tar.gz zip jpg pdf service sql bak".split()
NAMES = "memory runtime tools orchestrator logger control network agent-system agent-storage agent-dev agent-network nginx postgres redis sshd cron mosquitto grafana mysql docker apache2 dnsmasq samba prometheus haproxy bind9 web-server mailer worker api gateway queue backup chrony aios-memory aios-runtime aios-tools the-shop billing".split()
SPOKEN = ["memory", "web server", "mail server", "database", "time server", "print server", "tools", "model runtime", "file sharing"]
SENTENCES = """hello world|welcome|hello|hi there|back soon|closed on mondays|under construction|coming soon|the quick brown fox|we are open|good morning
hello, is anyone there?|buy milk and eggs|42|true|ok|key=value|listen = 8080|127.0.0.1 localhost|<h1>Hello</h1>|print("hello")|don't panic|remember the milk
out of order, please use the stairs|version 1.2.3|it works|all systems go|meeting at 10|greetings from Graz|no entry|Welcome to my page!|this is a test|lorem ipsum
thank you for visiting|grüß gott|bienvenue|hola mundo|export PATH=/opt/bin|max_connections = 200|see you tomorrow|maintenance tonight|PermitRootLogin no|welcome to the team|first entry
the server moved to a new house|nobody here|I am a teapot|happy new year|draft|done|yes|a b c|x|status: green|the answer is 42|please ring the bell""".replace("\n", "|").split("|")
HOSTS = "example.com www.example.org db1 nas printer.local mail.firm.example gw fileserver api.shop.example 10.0.0.5 192.168.1.1 127.0.0.1 localhost fe80::1 2001:db8::7 node-3.cluster.local cam2.lan".split()
TENS = ["five", "ten", "fifteen", "twenty", "thirty", "forty", "fifty", "sixty", "a hundred", "two hundred", "a dozen", "twenty five"]


def word(rng):
    if rng.random() < 0.7:
        return rng.choice(WORDS)
    return "".join(rng.choice(string.ascii_lowercase) for _ in range(rng.randint(2, 9)))


def path(rng, file=None):
    parts = [rng.choice(ROOTS)] if rng.random() < 0.8 else [""]
    for _ in range(rng.randint(0 if parts[0] else 1, 3)):
        name = word(rng)
        style = rng.random()
        if style < 0.08:
            name = name.capitalize() + " " + word(rng)
        elif style < 0.16:
            name += rng.choice("-_.") + word(rng)
        elif style < 0.2:
            name += str(rng.randint(0, 2030))
        elif style < 0.22:
            name = "." + name
        parts.append(name)
    if file if file is not None else rng.random() < 0.4:
        parts.append(word(rng) + "." + rng.choice(EXTENSIONS))
    text = "/".join(parts)
    return text + "/" if rng.random() < 0.05 and "." not in parts[-1] else text


def host(rng):
    style = rng.random()
    if style < 0.4:
        return rng.choice(HOSTS)
    if style < 0.65:
        return ".".join(str(rng.randint(1, 254)) for _ in range(4))
    return ".".join([word(rng), *([word(rng)] if rng.random() < 0.5 else []), rng.choice(["com", "org", "net", "de", "local", "lan", "internal", "example", "io"])])


def url(rng):
    port = f":{rng.randint(80, 9999)}" if rng.random() < 0.3 else ""
    tail = "/" + "/".join(word(rng) for _ in range(rng.randint(0, 2))) if rng.random() < 0.8 else ""
    return f"{rng.choice(['http', 'https'])}://{host(rng)}{port}{tail}"


def content(rng):
    style = rng.random()
    if style < 0.55:
        text = rng.choice(SENTENCES)
    elif style < 0.9:
        text = " ".join(word(rng) for _ in range(rng.randint(1, 6)))
    else:
        text = f"{word(rng)}{rng.choice(['=', ': ', ' = '])}{rng.choice([word(rng), str(rng.randint(0, 9999))])}"
    return text.capitalize() if rng.random() < 0.2 else text


def name(rng):
    style = rng.random()
    if style < 0.6:
        return rng.choice(NAMES)
    if style < 0.7:
        return rng.choice(SPOKEN)
    return word(rng) + (rng.choice("-_@") + word(rng) if rng.random() < 0.3 else "")


def number(rng):
    return rng.choice(TENS) if rng.random() < 0.3 else str(rng.choice([5, 10, 15, 20, 25, 30, 50, 75, 100, 200, 500, rng.randint(1, 999)]))


def port(rng):
    if rng.random() < 0.08:
        return rng.choice(["ssh", "http", "https", "smtp", "dns"])
    return str(rng.choice([22, 80, 443, 8080, 9090, 3306, 5432, 25, 53, rng.randint(1, 65535)]))


LEVELS = "error errors warning warnings info errors error failures problems".split()
SORTS = "memory cpu RAM mem memory memory CPU ram name pid rss processor".split() + ["cpu time", "memory usage", "main memory"]
SIGNALS = "SIGHUP SIGTERM SIGKILL HUP TERM USR1 SIGUSR1 SIGUSR2 INT SIGSTOP SIGCONT sigint stop cont 9 15 kill".split()
SINCE = "yesterday today monday noon 08:00 24h midnight 2025-03-01".split() + ["an hour ago", "last week", "the last hour", "10 minutes ago", "this morning", "two days ago"]
SIZES = ["500MB", "2 GB", "1G", "100 megabytes", "10k", "750 MB", "3 GiB", "one gigabyte"]

MAKERS = {
    "path": path, "source": path, "destination": path, "target": path, "directory": lambda rng: path(rng, False), "other": path,
    "url": url, "host": host, "content": content, "service": name, "lines": number, "port": port,
    "pid": lambda rng: str(rng.randint(1, 65535)), "level": lambda rng: rng.choice(LEVELS), "sort_by": lambda rng: rng.choice(SORTS),
    "signal": lambda rng: rng.choice(SIGNALS), "since": lambda rng: rng.choice(SINCE), "min_size": lambda rng: rng.choice(SIZES),
    "message": content, "interface": lambda rng: rng.choice(["eth0", "eth1", "enp3s0", "wlan0", "lo", "ens18", "br0", "wg0", "bond0"]),
    "agent": lambda rng: rng.choice("storage system network security monitor package task dev backup-bot deploy indexer".split()),
}
KEEP_FORM = {"git.clone", "container.pull"}


def pools(train):
    """Slot to the values that training sentences have for it."""
    found = {}
    for sentence in train:
        for _, slot, start, end in sentence.spans:
            found.setdefault(slot, []).append(sentence.text[start:end])
    return found


def make(act, slot, text, pools, rng):
    """Another value for a slot."""
    maker = MAKERS.get(slot)
    if slot in ("source", "destination", "target", "path", "directory", "other") and not text.startswith(("/", "~")):
        maker = None
    if slot == "lines" and not text.isdigit() and rng.random() < 0.5:
        return rng.choice(TENS)
    if maker is None or act in KEEP_FORM or rng.random() < 0.15:
        return rng.choice(pools[slot]) if slot in pools and rng.random() < 0.6 else text
    return maker(rng)


def quote(slot, value, rng):
    """Quotes around a value, outside its span."""
    rate = 0.25 if slot in ("content", "message") or " " in value else 0.04
    if slot in ("port", "pid", "lines", "level", "sort_by", "signal", "since") or rng.random() > rate or '"' in value:
        return "", ""
    return rng.choice(['""', '""', "''", "“”"]) if "'" not in value else '""'
