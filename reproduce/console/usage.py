"""A command line that cannot be read: one sentence, and the hint that helps the person who typed it."""

from typing import Any

import typer

from reproduce.console.output import say
from reproduce.errors import did_you_mean, nearest


def refuse_usage(error: Exception) -> None:
    """Say in a sentence and a hint what a command line asked for that there is not; leave other errors alone."""
    if not hasattr(error, "format_message") or type(error).__name__ == "NoArgsIsHelpError":
        return
    context = getattr(error, "ctx", None)
    program = context.command_path if context is not None else "attnrepro"
    option = getattr(error, "option_name", None)
    written = getattr(error, "message", "") if option else error.format_message()
    message = " ".join(written.split()).rstrip(".")
    hint = _hint_at_option(option, context) if option and context is not None else ""
    say(f"error: {message[:1].lower()}{message[1:]}", f"hint: {hint or f'{program} --help says what there is'}")
    raise typer.Exit(2) from None


def _hint_at_option(option: str, context: Any) -> str:
    """Return what a person may have meant by an option that the verb does not have."""
    word, parameters = option.lstrip("-").replace("-", "_"), context.command.params
    arguments = [parameter for parameter in parameters if parameter.param_type_name == "argument"]
    for argument in arguments:
        if word in (argument.name, (argument.metavar or "").lower()):
            return f"it is given without a name: {context.command_path} {(argument.metavar or argument.name).upper()}"
    options = [name for parameter in parameters if parameter not in arguments for name in parameter.opts]
    if "--set" in options and (key := _find_setting(word)):
        return f"that is a setting: --set {key}=VALUE"
    return did_you_mean(option, options) if nearest(option, options) else ""


def _find_setting(word: str) -> str:
    """Return the setting of any row that is called ``word`` or ends so, '' where there is none."""
    from reproduce.recipes.registry import ENTRIES
    from reproduce.recipes.settings import keys

    known = dict.fromkeys(key for entry in ENTRIES.values() for key in keys(entry.recipe))
    return next((key for key in known if word in (key, key.rpartition(".")[2])), "")
